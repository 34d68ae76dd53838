import { native } from "../../native/addon.ts";
import type { Random } from "../random.ts";
import { type RandomAffine, randomAffine } from "./affine.ts";
import { type ColorJitter, jitterColors, toGrey } from "./color.ts";
import { randomCrop, resizeAndCenterCrop } from "./crop.ts";
import type { Pixels } from "./pixels.ts";
import type { Picture } from "./resample.ts";

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

/** Writes the model's input for `picture` into `target` [3, size, size]. Throws PictureError when its file turns out to be damaged. */
export type Transform = (picture: Picture, random: Random, target: Float32Array) => void;

export function createTransform(settings: ImageSettings): Transform {
  checkSettings(settings);
  const { size, mode, mean, std, horizontalFlip = 0 } = settings;
  const tables = normalizeTables(mean, std);
  return (picture, random, target) => {
    const training = mode === "train";
    const image = training ? augment(picture, settings, random) : resizeAndCenterCrop(picture, size);
    const mirrored = training && random() < horizontalFlip;
    native.toPlanes(image.data, size, tables, mirrored, target);
  };
}

function augment(picture: Picture, settings: ImageSettings, random: Random): Pixels {
  const { size, scale = [0.9, 1], ratio = [3 / 4, 4 / 3], grayscale = 0 } = settings;
  const box = randomCrop(picture, { scale, ratio, random });
  let image = picture.resample({ box, width: size, height: size });
  if (settings.affine) image = randomAffine(image, settings.affine, random);
  if (settings.colorJitter) jitterColors(image.data, settings.colorJitter, random);
  if (random() < grayscale) toGrey(image.data);
  return image;
}

/** [3, 256]: the normalized value of each level of each channel, in the order of float32 operations of ToTensor and Normalize. */
function normalizeTables(mean: readonly number[], std: readonly number[]): Float32Array {
  return Float32Array.from({ length: 3 * 256 }, (_, index) => {
    const [channel, level] = [index >> 8, index & 255];
    const [m, s] = [Math.fround(mean[channel]!), Math.fround(std[channel]!)];
    return Math.fround(Math.fround(level / 255) - m) / s;
  });
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
