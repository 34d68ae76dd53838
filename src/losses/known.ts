// What a rank knows of anchors when it forms gradients: its own alone, or everybody's.
import type { Tensor } from "../tensor/index.ts";
import type { Features } from "./features.ts";
import { mapPair, type Pair } from "./pair.ts";

/**
 * Values of anchors by side. Of all ranks' ([B, ...], in rank order) the gradient of this rank's features is formed whole: FastCLIP's
 * reduction. Of this rank's own ([b, ...]) only the part of its own anchors, for everybody's features: OpenCLIP's reduction adds up
 * what the ranks find.
 */
export interface Known<T> {
  readonly of: "all" | "own";
  readonly values: Pair<T>;
}

export function mapKnown<T, R>({ of, values }: Known<T>, map: (value: T) => R): Known<R> {
  return { of, values: mapPair(values, (value) => map(value)) };
}

/** The rows of this rank's anchors. */
export function localRows({ of, values }: Known<Tensor>, features: Features): Pair<Tensor> {
  const rows = features.local.image.size(0);
  return of === "own" ? values : mapPair(values, (value) => value.narrow(0, features.offset, rows));
}
