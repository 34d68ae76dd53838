import { formatOf, noPicture } from "./format.ts";
import { hasLibjpegTurbo, openJpeg } from "./jpeg.ts";
import { PictureError } from "./pixels.ts";
import { decodePng } from "./png.ts";
import { decoded, type Picture } from "./resample.ts";
import { decodeWithSharp } from "./sharp.ts";

/** More pixels than this are refused before they are unpacked; PIL's own limit against picture bombs. */
const maxPixels = 89_478_485;

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
  if (format === undefined) throw new PictureError(noPicture(file));
  if (format === "jpeg" && hasLibjpegTurbo) return openJpeg(file, { maxPixels });
  const plain = format === "png" ? decodePng(file, { maxPixels }) : undefined;
  return decoded(plain ?? (await decodeWithSharp(file, { maxPixels })));
}
