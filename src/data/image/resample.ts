// PIL's resizing of 8-bit pictures, to the last bit: a bicubic kernel that is widened when shrinking (so that every source pixel
// counts), first along rows, then along columns, in 22-bit fixed point with rounding to 8 bits between the two.
import type { Pixels } from "./pixels.ts";

/** A rectangle of whole pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Bits behind the point: 8 bits of pixel and 2 of overshoot leave 22 of 32. */
const precision = 22;
const half = 1 << (precision - 1);

/** Rows that are added at once: as many as count when enlarging. */
const group = 5;

/** For each output position, the first input position that counts and the weights from there on. */
interface Weights {
  /** Weights kept for each output position, a multiple of `group`; unused ones are zero. */
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [output size, taps] */
  readonly values: Int32Array;
}

/**
 * Resizes the part of `pixels` inside `box` to width x height, as if it were a picture of its own.
 * With `view` only that part of the result is computed and returned.
 */
export function resample(pixels: Pixels, options: { box: Box; width: number; height: number; view?: Box }): Pixels {
  const { box, width, height, view = { left: 0, top: 0, width, height } } = options;
  const across = weightsFor({ input: box.width, output: width, start: view.left, length: view.width });
  const down = weightsFor({ input: box.height, output: height, start: view.top, length: view.height });
  const rows = resampleRows(pixels, box, across);
  return { width: view.width, height: view.height, data: resampleColumns(rows, down) };
}

function resampleRows(source: Pixels, box: Box, { taps, first, count, values }: Weights): Pixels {
  const width = first.length;
  // Clamped: writing cuts to 0 .. 255.
  const data = new Uint8ClampedArray(box.height * width * 3);
  const pixels = source.data;
  let to = 0;
  for (let y = 0; y < box.height; y++) {
    const row = ((box.top + y) * source.width + box.left) * 3;
    for (let x = 0; x < width; x++) {
      let red = half;
      let green = half;
      let blue = half;
      let from = row + 3 * first[x]!;
      const end = x * taps + count[x]!;
      for (let tap = x * taps; tap < end; tap++, from += 3) {
        const weight = values[tap]!;
        red = (red + pixels[from]! * weight) | 0;
        green = (green + pixels[from + 1]! * weight) | 0;
        blue = (blue + pixels[from + 2]! * weight) | 0;
      }
      data[to++] = red >> precision;
      data[to++] = green >> precision;
      data[to++] = blue >> precision;
    }
  }
  return { width, height: box.height, data: new Uint8Array(data.buffer) };
}

function resampleColumns(source: Pixels, { taps, first, count, values }: Weights): Uint8Array {
  const stride = source.width * 3;
  const data = new Uint8ClampedArray(first.length * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < first.length; y++) {
    sums.fill(half);
    for (let tap = 0; tap < count[y]!; tap += group) {
      addRows(sums, source, { row: first[y]! + tap, values, at: y * taps + tap });
    }
    for (let x = 0; x < stride; x++) data[y * stride + x] = sums[x]! >> precision;
  }
  return new Uint8Array(data.buffer);
}

/** Adds `group` rows of pixels with the weights at `values[at]` and behind: in one sweep, twice as fast as row by row. */
function addRows(sums: Int32Array, source: Pixels, from: { row: number; values: Int32Array; at: number }): void {
  const { data, height } = source;
  const { row, values, at } = from;
  const stride = source.width * 3;
  // Weights behind the last are 0, so it does not matter which row stands in for one that is not there.
  const last = height - 1;
  const a = row * stride;
  const b = Math.min(row + 1, last) * stride;
  const c = Math.min(row + 2, last) * stride;
  const d = Math.min(row + 3, last) * stride;
  const e = Math.min(row + 4, last) * stride;
  const ofA = values[at]!;
  const ofB = values[at + 1]!;
  const ofC = values[at + 2]!;
  const ofD = values[at + 3]!;
  const ofE = values[at + 4]!;
  for (let x = 0; x < stride; x++) {
    const upper = Math.imul(data[a + x]!, ofA) + Math.imul(data[b + x]!, ofB) + Math.imul(data[c + x]!, ofC);
    sums[x] = (sums[x]! + upper + Math.imul(data[d + x]!, ofD) + Math.imul(data[e + x]!, ofE)) | 0;
  }
}

/** `length` of `output` positions that an edge of `input` pixels is resized to, from `start` on. */
interface Edge {
  readonly input: number;
  readonly output: number;
  readonly start: number;
  readonly length: number;
}

/** Crops of one picture size come in few widths and heights. */
const cache = new Map<string, Weights>();
const mostCached = 512;

function weightsFor(edge: Edge): Weights {
  const key = `${edge.input} ${edge.output} ${edge.start} ${edge.length}`;
  const known = cache.get(key);
  if (known) return known;
  if (cache.size >= mostCached) cache.clear();
  const weights = computeWeights(edge);
  cache.set(key, weights);
  return weights;
}

function computeWeights({ input, output, start, length }: Edge): Weights {
  const scale = input / output;
  const stretch = Math.max(1, scale);
  const support = 2 * stretch;
  const taps = Math.ceil((Math.ceil(support) * 2 + 1) / group) * group;
  const weights = {
    taps,
    first: new Int32Array(length),
    count: new Int32Array(length),
    values: new Int32Array(length * taps),
  };
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(input, Math.trunc(center + support + 0.5)) - first;
    const exact = Array.from({ length: count }, (_, tap) => bicubic((tap + first - center + 0.5) / stretch));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    weights.first[i] = first;
    weights.count[i] = count;
    weights.values.set(
      exact.map((weight) => toFixedPoint(weight / sum)),
      i * taps,
    );
  }
  return weights;
}

/** Rounds half away from zero. */
function toFixedPoint(weight: number): number {
  const scaled = weight * (1 << precision);
  return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/** Keys' cubic convolution kernel (1981) with a = -0.5. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
