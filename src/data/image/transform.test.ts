import { expect, test } from "vitest";
import { createRandom, type Random } from "../random.ts";
import { randomCrop } from "./crop.ts";
import type { Pixels } from "./pixels.ts";
import { decoded } from "./resample.ts";
import { clipMean, clipStd, createTransform, type ImageSettings } from "./transform.ts";

const plain: ImageSettings = { size: 8, mean: [0, 0, 0], std: [1, 1, 1], mode: "train", scale: [1, 1], ratio: [1, 1] };

function gradient(size: number): Pixels {
  const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 5) % 256);
  return { width: size, height: size, data };
}

function apply(
  settings: ImageSettings,
  pixels: Pixels = gradient(settings.size),
  random: Random = createRandom([1]),
): number[] {
  const target = new Float32Array(3 * settings.size ** 2);
  createTransform(settings)(decoded(pixels), random, target);
  return [...target];
}

/** One channel of the result as levels 0 to 255. */
function levels(values: number[], channel: number): number[] {
  const area = values.length / 3;
  return values.slice(channel * area, (channel + 1) * area).map((value) => Math.round(value * 255));
}

test("the result is in planes, and normalized", () => {
  const pixels: Pixels = { width: 1, height: 1, data: Uint8Array.of(255, 0, 128) };
  const settings: ImageSettings = { size: 1, mean: clipMean, std: clipStd, mode: "eval" };
  // ToTensor and Normalize by hand: (v / 255 - mean) / std.
  const expected = [(1 - 0.48145466) / 0.26862954, (0 - 0.4578275) / 0.26130258, (128 / 255 - 0.40821073) / 0.27577711];
  apply(settings, pixels).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 6);
  });
});

test("a crop of the whole in the same size changes nothing", () => {
  const pixels = gradient(8);
  expect(levels(apply(plain, pixels), 1)).toEqual([...pixels.data].filter((_, i) => i % 3 === 1));
});

test("crops keep to their share, their shape and the picture", () => {
  const random = createRandom([2]);
  const image = { width: 60, height: 40 };
  for (let i = 0; i < 1000; i++) {
    const { left, top, width, height } = randomCrop(image, { scale: [0.3, 0.6], ratio: [3 / 4, 4 / 3], random });
    expect(left >= 0 && top >= 0 && left + width <= 60 && top + height <= 40).toBe(true);
    // Rounding to whole pixels moves both by a few per cent.
    expect((width * height) / 2400).toBeGreaterThan(0.28);
    expect((width * height) / 2400).toBeLessThan(0.63);
    expect(width / height).toBeGreaterThan(0.71);
    expect(width / height).toBeLessThan(1.4);
  }
});

test("a picture too elongated for any crop gives its middle", () => {
  const box = randomCrop(
    { width: 1000, height: 10 },
    { scale: [0.9, 1], ratio: [3 / 4, 4 / 3], random: createRandom([3]) },
  );
  expect(box).toEqual({ left: 493, top: 0, width: 13, height: 10 });
});

test("an elongated picture is evaluated by its middle, without making the rest", () => {
  const values = apply(
    { ...plain, size: 4, mode: "eval" },
    { width: 400_000, height: 1, data: new Uint8Array(1_200_000).fill(51) },
  );
  expect(new Set(levels(values, 0))).toEqual(new Set([51]));
});

test("mirroring turns rows around", () => {
  const straight = levels(apply(plain), 0);
  const mirrored = levels(apply({ ...plain, horizontalFlip: 1 }), 0);
  expect(mirrored.slice(0, 8)).toEqual(straight.slice(0, 8).reverse());
});

test("grey has three equal channels", () => {
  const values = apply({ ...plain, grayscale: 1 });
  expect(levels(values, 0)).toEqual(levels(values, 1));
  expect(levels(values, 0)).toEqual(levels(values, 2));
});

test("an affine map of nothing changes nothing; a move shows the fill", () => {
  const still = { degrees: 0, translate: [0, 0] as const, scale: [1, 1] as const, fill: 255 };
  expect(apply({ ...plain, affine: still })).toEqual(apply(plain));
  // A random number just below 1 moves by the full share: half the width to the right.
  const values = apply({ ...plain, affine: { ...still, translate: [0.5, 0] } }, gradient(8), () => 1 - 1e-9);
  const moved = levels(values, 0).slice(0, 8);
  expect(moved).toEqual([255, 255, 255, 255, ...levels(apply(plain), 0).slice(0, 4)]);
});

test("a turn by 90 degrees is exact", () => {
  const affine = { degrees: 90, translate: [0, 0] as const, scale: [1, 1] as const, fill: 0 };
  const turned = levels(
    apply({ ...plain, affine }, gradient(8), () => 1 - 1e-12),
    0,
  );
  const straight = levels(apply(plain), 0);
  // Column x of the picture, read from below, becomes row x... or the other way about; both are quarter turns.
  const column = (x: number): number[] => Array.from({ length: 8 }, (_, y) => straight[y * 8 + x]!);
  expect(turned.slice(0, 8)).toEqual(column(0).reverse());
});

test("colours change only as probable, and within the range", () => {
  const jitter = { brightness: 0.5, contrast: 0, saturation: 0, hue: 0, probability: 0.5 };
  const flat: Pixels = { width: 8, height: 8, data: new Uint8Array(192).fill(100) };
  const random = createRandom([4]);
  const seen = Array.from({ length: 400 }, () => levels(apply({ ...plain, colorJitter: jitter }, flat, random), 0)[0]!);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(50);
  expect(Math.max(...seen)).toBeLessThanOrEqual(150);
  const unchanged = seen.filter((level) => level === 100).length;
  expect(unchanged).toBeGreaterThan(160);
  expect(unchanged).toBeLessThan(240);
});

test("the same random numbers give the same picture", () => {
  const colorJitter = { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 1 };
  const affine = { degrees: 10, translate: [0.1, 0.1] as const, scale: [0.9, 1.1] as const, fill: 255 };
  const settings: ImageSettings = {
    ...plain,
    scale: [0.5, 1],
    colorJitter,
    affine,
    grayscale: 0.5,
    horizontalFlip: 0.5,
  };
  const run = (seed: number): number[] => apply(settings, gradient(20), createRandom([seed]));
  expect(run(1)).toEqual(run(1));
  expect(run(1)).not.toEqual(run(2));
});

test.each<[Partial<ImageSettings>, string]>([
  [{ size: 0 }, "size must be a whole number from 1 to 4096, but is 0"],
  [{ mean: [0] }, "mean must be three numbers, but is [0]"],
  [{ std: [1, 0, 1] }, "std must be three positive numbers"],
  [{ scale: [0.5, 2] }, "scale must be a range in (0, 1], but is [0.5,2]"],
  [{ ratio: [2, 1] }, "ratio must be a range"],
  [{ grayscale: 2 }, "grayscale must be a probability from 0 to 1, but is 2"],
  [{ colorJitter: { brightness: -1, contrast: 0, saturation: 0, hue: 0, probability: 1 } }, "must not be negative"],
  [
    { affine: { degrees: 200, translate: [0, 0], scale: [1, 1], fill: 0 } },
    "degrees must be from 0 to 180, but is 200",
  ],
])("settings %o are refused", (change, message) => {
  expect(() => createTransform({ ...plain, ...change })).toThrow(message);
});
