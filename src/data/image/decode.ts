import { hasLibjpegTurbo, openJpeg } from "./jpeg.ts";
import { PictureError } from "./pixels.ts";
import { decodePng } from "./png.ts";
import { decoded, type Picture } from "./resample.ts";
import { decodeWithSharp } from "./sharp.ts";

/** More pixels than this are refused before they are unpacked; PIL's own limit against picture bombs. */
const maxPixels = 89_478_485;

/** The kinds of picture files that are read. */
export const pictureFormats = ["png", "jpeg", "gif", "webp", "tiff", "avif"] as const;
type PictureFormat = (typeof pictureFormats)[number];

/**
 * The picture in a file, with the pixels of PIL's open and convert("RGB"): transparency is dropped, colour profiles and EXIF orientation
 * are ignored, 16 bits are cut to the upper 8 (grey without transparency is clipped to 255 instead), of an animation the first picture is
 * taken. One thing is not as in PIL: what a GIF leaves transparent is black, and not of the colour that its palette has there.
 *
 * Throws PictureError when the bytes are no PNG, JPEG, GIF, WebP, TIFF or AVIF, whatever the file's name says, when they are damaged, or
 * when the picture has more than 89 million pixels. Damage in the pixels of a JPEG may be found only when the picture is resampled.
 */
export async function openPicture(file: Buffer): Promise<Picture> {
  const format = formatOf(file);
  if (format === undefined) throw new PictureError(`is not a picture of a supported kind (${describe(file)})`);
  if (format === "jpeg" && hasLibjpegTurbo) return openJpeg(file, { maxPixels });
  const plain = format === "png" ? decodePng(file, { maxPixels }) : undefined;
  return decoded(plain ?? (await decodeWithSharp(file, { maxPixels })));
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
