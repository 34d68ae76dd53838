// JPEG by libjpeg-turbo in the addon: addon/jpeg.cc. The pixels are libvips' and PIL's, in less time.
import { native } from "../../native/addon.ts";
import { PictureError } from "./pixels.ts";
import { type Picture, resampled } from "./resample.ts";

/** Whether the addon has libjpeg-turbo. */
export const hasLibjpegTurbo: boolean = native.jpegVersion() !== "";

/**
 * The picture in a JPEG file, of which only the header is read at first. Damage that libjpeg reports as a mere warning is damage here.
 * Throws PictureError when the header is damaged or speaks of more than `maxPixels` pixels.
 */
export function openJpeg(file: Uint8Array, options: { maxPixels: number }): Picture {
  const size = native.jpegSize(file);
  if (typeof size === "string") throw undecodable(size);
  const [width, height] = size;
  if (width * height > options.maxPixels) {
    throw new PictureError(`has ${width} x ${height} pixels, more than the ${options.maxPixels} allowed`);
  }
  return {
    width,
    height,
    resample: (resize) =>
      resampled(resize, (numbers, target) => {
        const fault = native.resampleJpeg(file, numbers, target);
        if (fault !== "") throw undecodable(fault);
      }),
  };
}

function undecodable(fault: string): PictureError {
  return new PictureError(`cannot be decoded: ${fault}`);
}
