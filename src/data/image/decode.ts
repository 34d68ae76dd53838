import sharp from "sharp";
import type { Pixels } from "./pixels.ts";
import { decodePng } from "./png.ts";

// Threads and memory belong to the loader: libvips is not to keep pictures, nor to split one over threads.
sharp.cache(false);
sharp.concurrency(1);

/** More pixels than this are refused before they are unpacked; PIL's own limit against picture bombs. */
const maxPixels = 89_478_485;

/** The kinds of picture files that are read. */
export const pictureFormats = ["png", "jpeg", "gif", "webp", "tiff", "avif"] as const;
type PictureFormat = (typeof pictureFormats)[number];

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
  if (format === undefined) throw new Error(`is not a picture of a supported kind (${describe(file)})`);
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

/** The format by the file's first bytes. SVG has none of these, so it is refused: it could name other files. */
export function formatOf(file: Buffer): PictureFormat | undefined {
  const start = file.toString("latin1", 0, 12);
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("GIF8")) return "gif";
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return "webp";
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return "tiff";
  if (/^ftypavi[fs]$/.test(start.slice(4))) return "avif";
  return undefined;
}

function describe(file: Buffer): string {
  if (/^\s*<(\?xml|!doctype|!--|svg|html)/i.test(file.toString("latin1", 0, 100))) return "it is SVG, XML or HTML";
  return `it starts with the bytes ${file.subarray(0, 4).toString("hex")}`;
}
