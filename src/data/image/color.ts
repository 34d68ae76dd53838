// torchvision's ColorJitter and Grayscale on PIL pictures, with PIL's 8-bit arithmetic. All work in place on [..., 3] bytes.
import { type Random, uniform } from "../random.ts";

/** How far each property may go, as in torchvision's ColorJitter. */
export interface ColorJitter {
  /** Factor from [max(0, 1 - brightness), 1 + brightness]. */
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  /** Shift from [-hue, hue], in turns of the colour circle; at most 0.5. */
  readonly hue: number;
  /** How probable it is that a picture is changed at all. */
  readonly probability: number;
}

/** Changes brightness, contrast, saturation and hue by random amounts in a random order. */
export function jitterColors(pixels: Uint8Array, jitter: ColorJitter, random: Random): void {
  if (random() >= jitter.probability) return;
  const factor = (range: number): number => uniform(random, Math.max(0, 1 - range), 1 + range);
  const changes: (() => void)[] = [];
  if (jitter.brightness > 0) changes.push(() => adjustBrightness(pixels, factor(jitter.brightness)));
  if (jitter.contrast > 0) changes.push(() => adjustContrast(pixels, factor(jitter.contrast)));
  if (jitter.saturation > 0) changes.push(() => adjustSaturation(pixels, factor(jitter.saturation)));
  if (jitter.hue > 0) changes.push(() => adjustHue(pixels, uniform(random, -jitter.hue, jitter.hue)));
  while (changes.length > 0) {
    const [change] = changes.splice(Math.floor(random() * changes.length), 1);
    change!();
  }
}

/** Towards black (0), as it is (1), or beyond. */
export function adjustBrightness(pixels: Uint8Array, factor: number): void {
  const table = blendTable(0, factor);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[pixels[i]!]!;
}

/** Towards the picture's mean grey (0), as it is (1), or beyond. */
export function adjustContrast(pixels: Uint8Array, factor: number): void {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 3) sum += luma(pixels, i);
  const mean = Math.trunc(sum / (pixels.length / 3) + 0.5);
  const table = blendTable(mean, factor);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[pixels[i]!]!;
}

/** Towards grey (0), as it is (1), or beyond. */
export function adjustSaturation(pixels: Uint8Array, factor: number): void {
  for (let i = 0; i < pixels.length; i += 3) {
    const grey = luma(pixels, i);
    pixels[i] = blend(grey, pixels[i]!, factor);
    pixels[i + 1] = blend(grey, pixels[i + 1]!, factor);
    pixels[i + 2] = blend(grey, pixels[i + 2]!, factor);
  }
}

/** Turns the colour circle by `shift` turns, in PIL's 8-bit HSV. */
export function adjustHue(pixels: Uint8Array, shift: number): void {
  // torchvision adds the shift, cut to a byte, to the hue with wrap-around.
  const steps = Math.trunc(shift * 255) & 255;
  for (let i = 0; i < pixels.length; i += 3) turnHue(pixels, i, steps);
}

export function toGrey(pixels: Uint8Array): void {
  for (let i = 0; i < pixels.length; i += 3) pixels.fill(luma(pixels, i), i, i + 3);
}

/** ITU-R 601-2 luma in PIL's fixed point. */
function luma(pixels: Uint8Array, i: number): number {
  return (pixels[i]! * 19595 + pixels[i + 1]! * 38470 + pixels[i + 2]! * 7471 + 0x8000) >> 16;
}

/** PIL's Image.blend: truncates, then clips. */
function blend(from: number, to: number, factor: number): number {
  const value = Math.fround(from + Math.fround(factor) * (to - from));
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

function blendTable(from: number, factor: number): Uint8Array {
  const table = new Uint8Array(256);
  for (let value = 0; value < 256; value++) table[value] = blend(from, value, factor);
  return table;
}

/** To HSV, the hue turned, and back, with single precision where PIL has it. */
function turnHue(pixels: Uint8Array, i: number, steps: number): void {
  const r = pixels[i]!;
  const g = pixels[i + 1]!;
  const b = pixels[i + 2]!;
  const max = Math.max(r, g, b);
  const range = max - Math.min(r, g, b);
  if (range === 0) return;
  const float = Math.fround;
  const toRed = float((max - r) / range);
  const toGreen = float((max - g) / range);
  const toBlue = float((max - b) / range);
  const sector = r === max ? toBlue - toGreen : g === max ? 2 + toRed - toBlue : 4 + toGreen - toRed;
  const hue = (Math.trunc(float((float(sector) / 6 + 1) % 1) * 255) + steps) & 255;
  const saturation = float(Math.trunc(float(range / max) * 255) / 255);
  const turned = (hue * 6) / 255;
  const part = float(turned - Math.floor(turned));
  const low = Math.round(max * (1 - saturation));
  const falling = Math.round(max * (1 - saturation * part));
  const rising = Math.round(max * (1 - saturation * (1 - part)));
  // Around the circle red is highest in sextants 5 and 0, green and blue do the same two and four sextants later.
  const sextant = Math.floor(turned) % 6;
  for (let channel = 0; channel < 3; channel++) {
    const own = (sextant + 6 - 2 * channel) % 6;
    pixels[i + channel] = own === 0 || own === 5 ? max : own === 1 ? falling : own === 4 ? rising : low;
  }
}
