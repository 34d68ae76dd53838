import type { Random } from "../random.ts";
import { type RandomAffine, randomAffine } from "./affine.ts";
import { type ColorJitter, jitterColors, toGrey } from "./color.ts";
import { randomCrop, resizeAndCenterCrop } from "./crop.ts";
import type { Pixels } from "./pixels.ts";
import { resample } from "./resample.ts";

/** How a picture becomes the model's input. Names and defaults as in OpenCLIP's image transform and aug-cfg. */
export interface ImageSettings {
  /** Width and height of the result. */
  readonly size: number;
  /** Mean of each channel of pictures in [0, 1], taken away; OpenCLIP's are `clipMean`. */
  readonly mean: readonly number[];
  /** Standard deviation of each channel, divided by; OpenCLIP's are `clipStd`. */
  readonly std: readonly number[];
  /** train: random resized crop and what else is set below. eval: shorter edge to `size`, centre crop, nothing random. */
  readonly mode: "train" | "eval";
  /** Share of the area that the random crop keeps; default [0.9, 1]. */
  readonly scale?: readonly [number, number];
  /** Width / height of the random crop; default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number];
  /** Off when absent. */
  readonly affine?: RandomAffine;
  /** Off when absent. */
  readonly colorJitter?: ColorJitter;
  /** Probability of a grey picture; default 0. */
  readonly grayscale?: number;
  /** Probability of a mirrored picture; default 0. */
  readonly horizontalFlip?: number;
}

/** Mean and standard deviation of OpenAI's CLIP, which OpenCLIP keeps. */
export const clipMean: readonly number[] = [0.48145466, 0.4578275, 0.40821073];
export const clipStd: readonly number[] = [0.26862954, 0.26130258, 0.27577711];

/** Writes the model's input for `pixels` into `target` [3, size, size]. */
export type Transform = (pixels: Pixels, random: Random, target: Float32Array) => void;

export function createTransform(settings: ImageSettings): Transform {
  checkSettings(settings);
  const tables = [0, 1, 2].map((channel) => normalizeTable(settings.mean[channel]!, settings.std[channel]!));
  return (pixels, random, target) => {
    const image =
      settings.mode === "eval" ? resizeAndCenterCrop(pixels, settings.size) : augment(pixels, settings, random);
    toPlanes(image, tables, target);
  };
}

function augment(pixels: Pixels, settings: ImageSettings, random: Random): Pixels {
  const { size, scale = [0.9, 1], ratio = [3 / 4, 4 / 3], grayscale = 0, horizontalFlip = 0 } = settings;
  const box = randomCrop(pixels, { scale, ratio, random });
  let image = resample(pixels, { box, width: size, height: size });
  if (settings.affine) image = randomAffine(image, settings.affine, random);
  if (settings.colorJitter) jitterColors(image.data, settings.colorJitter, random);
  if (random() < grayscale) toGrey(image.data);
  if (random() < horizontalFlip) mirror(image);
  return image;
}

function mirror({ width, height, data }: Pixels): void {
  for (let y = 0; y < height; y++) {
    for (let left = y * width * 3, right = left + (width - 1) * 3; left < right; left += 3, right -= 3) {
      for (let channel = 0; channel < 3; channel++) {
        const kept = data[left + channel]!;
        data[left + channel] = data[right + channel]!;
        data[right + channel] = kept;
      }
    }
  }
}

/** The normalized value of each of the 256 levels, in the order of float32 operations of ToTensor and Normalize. */
function normalizeTable(mean: number, std: number): Float32Array {
  const [m, s] = [Math.fround(mean), Math.fround(std)];
  return Float32Array.from({ length: 256 }, (_, level) => Math.fround(Math.fround(level / 255) - m) / s);
}

function toPlanes({ data }: Pixels, tables: readonly Float32Array[], target: Float32Array): void {
  const area = data.length / 3;
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  for (let i = 0, from = 0; i < area; i++, from += 3) {
    target[i] = red[data[from]!]!;
    target[area + i] = green[data[from + 1]!]!;
    target[2 * area + i] = blue[data[from + 2]!]!;
  }
}

function checkSettings(settings: ImageSettings): void {
  const { size, mean, std, scale = [0.9, 1], ratio = [3 / 4, 4 / 3], affine, colorJitter: jitter } = settings;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new RangeError(`image settings: ${what}`);
  };
  check(
    Number.isInteger(size) && size > 0 && size <= 4096,
    `size must be a whole number from 1 to 4096, but is ${size}`,
  );
  check(mean.length === 3 && mean.every(Number.isFinite), `mean must be three numbers, but is [${mean}]`);
  check(std.length === 3 && std.every((value) => value > 0), `std must be three positive numbers, but is [${std}]`);
  check(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1, `scale must be a range in (0, 1], but is [${scale}]`);
  check(ratio[0] > 0 && ratio[0] <= ratio[1], `ratio must be a range of positive numbers, but is [${ratio}]`);
  for (const name of ["grayscale", "horizontalFlip"] as const) {
    check(isProbability(settings[name] ?? 0), `${name} must be a probability from 0 to 1, but is ${settings[name]}`);
  }
  if (jitter) {
    const { brightness, contrast, saturation, hue, probability } = jitter;
    check(
      Math.min(brightness, contrast, saturation) >= 0,
      "colorJitter's brightness, contrast and saturation must not be negative",
    );
    check(hue >= 0 && hue <= 0.5, `colorJitter's hue must be from 0 to 0.5, but is ${hue}`);
    check(isProbability(probability), `colorJitter's probability must be from 0 to 1, but is ${probability}`);
  }
  if (affine) {
    const { degrees, translate, scale: factor, fill } = affine;
    check(degrees >= 0 && degrees <= 180, `affine's degrees must be from 0 to 180, but is ${degrees}`);
    check(translate.every(isProbability), `affine's translate must be two shares from 0 to 1, but is [${translate}]`);
    check(
      factor[0] > 0 && factor[0] <= factor[1],
      `affine's scale must be a range of positive numbers, but is [${factor}]`,
    );
    check(fill >= 0 && fill <= 255, `affine's fill must be from 0 to 255, but is ${fill}`);
  }
}

function isProbability(value: number): boolean {
  return value >= 0 && value <= 1;
}
