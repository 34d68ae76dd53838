import sharp from "sharp";
import { formatOf, noPicture } from "./format.ts";
import type { Pixels } from "./pixels.ts";
import { decodePng } from "./png.ts";

// Threads and memory belong to the loader: libvips is not to keep pictures, nor to split one over threads.
sharp.cache(false);
sharp.concurrency(1);

/** More pixels than this are refused before they are unpacked; PIL's own limit against picture bombs. */
const maxPixels = 89_478_485;

/**
 * Decodes a picture to RGB, as PIL's open and convert("RGB") do: transparency is dropped, colour profiles and EXIF orientation are
 * ignored, 16 bits are cut to 8, of an animation the first picture is taken. (Not
 * as PIL does: CMYK goes through libvips' profile, and 16-bit grey is cut to 8 bits where PIL clips it.)
 *
 * Throws when the bytes are no PNG, JPEG, GIF, WebP, TIFF or AVIF, whatever the file's name says, when they are damaged, or when the
 * picture has more than 89 million pixels. The messages are to stand behind the picture's name.
 */
export async function decodeImage(file: Buffer): Promise<Pixels> {
  const format = formatOf(file);
  if (format === undefined) throw new Error(noPicture(file));
  const plain = format === "png" ? decodePng(file, { maxPixels }) : undefined;
  return plain ?? decodeWithSharp(file);
}

async function decodeWithSharp(file: Buffer): Promise<Pixels> {
  try {
    const { data, info } = await sharp(file, { failOn: "error", limitInputPixels: maxPixels, ignoreIcc: true })
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: info.channels === 3 ? data : spread(data) };
  } catch (error) {
    throw new Error(`cannot be decoded: ${(error as Error).message.replace(/\s+/g, " ").trim()}`);
  }
}

/** One channel to three equal ones. */
function spread(grey: Uint8Array): Uint8Array {
  const data = new Uint8Array(3 * grey.length);
  for (let i = 0; i < grey.length; i++) data.fill(grey[i]!, 3 * i, 3 * i + 3);
  return data;
}
