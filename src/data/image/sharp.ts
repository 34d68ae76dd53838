// Pictures through libvips, with the pixels of PIL's open and convert("RGB").
import sharp, { type Sharp } from "sharp";
import { PictureError, type Pixels } from "./pixels.ts";

// Threads and memory belong to the loader: libvips is not to keep pictures, nor to split one over threads.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Decodes any picture that libvips reads, in libuv's pool. Throws PictureError for one that is damaged, even where its decoder gives a mere
 * warning, or that has more than `maxPixels` pixels.
 */
export async function decodeWithSharp(file: Uint8Array, options: { maxPixels: number }): Promise<Pixels> {
  // No colour profile is applied, as in PIL.
  const image = sharp(file, { failOn: "warning", limitInputPixels: options.maxPixels, ignoreIcc: true });
  try {
    const { space, depth, hasAlpha } = await image.metadata();
    if (space === "cmyk") return await fromInk(image);
    if (space === "grey16" && depth === "ushort" && !hasAlpha) return await fromDeepGrey(image);
    const { data, info } = await image.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: info.channels === 1 ? spread(data) : data };
  } catch (error) {
    throw new PictureError(`cannot be decoded: ${(error as Error).message.replace(/\s+/g, " ").trim()}`);
  }
}

/** CMYK by PIL's formula, which knows nothing of inks. */
async function fromInk(image: Sharp): Promise<Pixels> {
  const { data: inks, info } = await image
    .pipelineColourspace("cmyk")
    .toColourspace("cmyk")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const data = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; to < data.length; from += channels, to += 3) {
    const light = 255 - inks[from + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      // The product divided by 255, rounded.
      const product = inks[from + channel]! * light + 128;
      data[to + channel] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { width, height, data };
}

/** Grey of 16 bits without transparency, which PIL clips, where it takes the upper 8 bits of all other 16-bit pictures. */
async function fromDeepGrey(image: Sharp): Promise<Pixels> {
  const { data, info } = await image
    .toColourspace("grey16")
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  const levels = new Uint16Array(data.buffer, data.byteOffset, info.width * info.height);
  return { width: info.width, height: info.height, data: spread(Uint8ClampedArray.from(levels)) };
}

/** One channel to three equal ones. */
function spread(grey: Uint8Array | Uint8ClampedArray): Uint8Array {
  const data = new Uint8Array(3 * grey.length);
  for (let i = 0; i < grey.length; i++) data.fill(grey[i]!, 3 * i, 3 * i + 3);
  return data;
}
