"""Writes odd-pictures.fixture.json: small pictures of odd kinds and the SHA-256 of what Pillow's open(file).convert("RGB") makes of each.

    python -m venv venv && venv/bin/pip install pillow==10.4.0 && venv/bin/python odd-pictures.fixture.py
"""

import base64
import hashlib
import io
import json
import pathlib
import struct
import zlib

import PIL
from PIL import Image


def picture(width, height, mode="RGB", seed=1):
    """Slopes with an edge in each: smooth enough for JPEG, of all levels."""
    bands = []
    for band in range(len(Image.new(mode, (1, 1)).getbands())):
        level = lambda x, y: ((x * (3 + band) + y * (5 + seed)) // (1 + band % 2) + (90 if x + band * y > width else 0)) % 256
        channel = Image.new("L", (width, height))
        channel.putdata([level(x, y) for y in range(height) for x in range(width)])
        bands.append(channel)
    return Image.merge(mode, bands) if len(bands) > 1 else bands[0]


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(width, height, mode="RGB", **options):
    return saved(picture(width, height, mode), "JPEG", **{"quality": 85, "optimize": True, **options})


def sampled(file, factors):
    """The JPEG with other sampling factors of its first channel. The file must have as many blocks in as many units with them."""
    at = next(i for i in range(len(file)) if file[i] == 0xFF and file[i + 1] in (0xC0, 0xC2))
    return file[: at + 11] + bytes([factors]) + file[at + 12 :]


def adobe(file, transform):
    """The JPEG with another colour transform in its Adobe marker, or without the marker."""
    at = file.index(b"\xff\xee\x00\x0eAdobe")
    return file[:at] + (b"" if transform is None else file[at : at + 15] + bytes([transform])) + file[at + 16 :]


def png(width, height, depth, color, rows, chunks=()):
    """A PNG of the rows' bytes, for what Pillow does not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_png(channels, color, step=2511):
    values = lambda y: [(x * step + y * 71 + c * 9000) % 65536 for x in range(13) for c in range(channels)]
    return png(13, 9, 16, color, [struct.pack(f">{13 * channels}H", *values(y)) for y in range(9)])


def jpegs():
    for name, subsampling in {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}.items():
        for width, height in [(37, 23), (64, 48), (1, 1), (17, 33)]:
            yield f"jpeg {name} {width} x {height}", jpeg(width, height, subsampling=subsampling)
    yield "jpeg 4:4:0", sampled(jpeg(31, 29, subsampling=1), 0x12)
    yield "jpeg 4:1:1", sampled(jpeg(61, 57, subsampling=2), 0x41)
    yield "jpeg 4:4:1", sampled(jpeg(61, 57, subsampling=2), 0x14)
    yield "jpeg grey", jpeg(37, 23, "L")
    yield "jpeg progressive", jpeg(37, 23, progressive=True)
    yield "jpeg progressive 4:2:0", jpeg(50, 41, progressive=True, subsampling=2)
    yield "jpeg progressive grey", jpeg(37, 23, "L", progressive=True)
    yield "jpeg with restart markers", jpeg(70, 50, restart_marker_rows=1)
    yield "jpeg with a restart marker after each block", jpeg(37, 23, restart_marker_blocks=1)
    yield "jpeg rough", jpeg(37, 23, quality=5)
    yield "jpeg fine", jpeg(37, 23, quality=100, subsampling=0)
    yield "jpeg of red, green and blue", jpeg(37, 23, keep_rgb=True)
    yield "jpeg cmyk", jpeg(37, 23, "CMYK")
    yield "jpeg cmyk progressive", jpeg(37, 23, "CMYK", progressive=True)
    yield "jpeg ycck", adobe(jpeg(37, 23, "CMYK"), 2)
    yield "jpeg cmyk without Adobe's marker", adobe(jpeg(37, 23, "CMYK"), None)
    profile = b"this is no profile, and nobody is to look".ljust(128, b".")
    yield "jpeg with a broken colour profile", jpeg(37, 23, icc_profile=profile)
    for turn in (2, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"jpeg turned by EXIF {turn}", jpeg(13, 9, exif=exif)


def others():
    yield "png 16-bit grey", deep_png(1, 0)
    yield "png 16-bit grey, dark", deep_png(1, 0, step=5)
    yield "png 16-bit grey alpha", deep_png(2, 4)
    yield "png 16-bit rgba", deep_png(4, 6)
    yield "png 2-bit grey", png(13, 9, 2, 0, [bytes([27 * (y + x) % 256 for x in range(4)]) for y in range(9)])
    yield "png 4-bit grey", png(13, 9, 4, 0, [bytes([37 * (y + x) % 256 for x in range(7)]) for y in range(9)])
    clear = (b"tRNS", struct.pack(">HHH", 40, 60, 80))
    yield "png rgb with a transparent colour", png(13, 9, 8, 2, [bytes([40, 60, 80] * 13)] * 9, [clear])
    yield "png grey with a transparent level", png(13, 9, 8, 0, [bytes(range(13))] * 9, [(b"tRNS", b"\0\7")])
    frames = [picture(13, 9, seed=seed) for seed in range(3)]
    yield "png animated", saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "webp animated", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "webp lossless alpha", saved(picture(13, 9, "RGBA"), "WEBP", lossless=True, exact=True)
    pale = picture(13, 9).quantize(16)
    yield "gif interlaced", saved(pale, "GIF", interlace=1)
    yield "tiff cmyk", saved(picture(13, 9, "CMYK"), "TIFF")
    yield "tiff lzw", saved(picture(13, 9), "TIFF", compression="tiff_lzw")
    yield "tiff jpeg", saved(picture(37, 23), "TIFF", compression="jpeg")
    yield "tiff grey", saved(picture(13, 9, "L"), "TIFF")
    yield "tiff rgba", saved(picture(13, 9, "RGBA"), "TIFF")
    yield "tiff 1-bit", saved(picture(13, 9, "L").convert("1"), "TIFF")
    yield "tiff palette", saved(pale, "TIFF")
    deep = Image.new("I;16", (13, 9))
    deep.putdata([x * 37 for x in range(13 * 9)])
    yield "tiff 16-bit grey", saved(deep, "TIFF")
    yield "tiff of two pages", saved(frames[0], "TIFF", save_all=True, append_images=frames[1:2])


def entry(name, file):
    pixels = Image.open(io.BytesIO(file)).convert("RGB")
    sha = hashlib.sha256(pixels.tobytes()).hexdigest()
    return {"name": name, "sha": sha, "file": base64.b64encode(file).decode()}


assert PIL.__version__ == "10.4.0", PIL.__version__
fixture = {"jpeg": [entry(*pair) for pair in jpegs()], "other": [entry(*pair) for pair in others()]}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(fixture, indent=2) + "\n")
