/** The spread of a figure over the samples, each value one that occurs (nearest rank). */
export interface Quantiles {
  readonly min: number;
  readonly p5: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

/** Quantiles of at least one value; the order of `values` is changed. */
export function quantiles(values: Uint32Array | Float64Array): Quantiles {
  if (values.length === 0) throw new RangeError("quantiles of no values were asked for");
  values.sort();
  const at = (share: number): number => values[Math.max(0, Math.ceil(share * values.length) - 1)]!;
  return { min: at(0), p5: at(0.05), median: at(0.5), p95: at(0.95), max: at(1) };
}
