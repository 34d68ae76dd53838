// How far a computed tensor is from the one that was expected.
import { scope, type Tensor } from "../../tensor/index.ts";

/** |actual - expected| <= atol + rtol |expected|, entry by entry; or <= tolerance times the largest |expected|. */
export type Tolerance =
  | { readonly rtol: number; readonly atol: number }
  | { readonly relativeToLargest: number; readonly atol: number };

export interface Comparison {
  readonly name: string;
  readonly actual: Tensor;
  readonly expected: Tensor;
  readonly tolerance: Tolerance;
}

export interface Difference {
  readonly maxAbs: number;
  /** The largest absolute error over the largest |expected|; 0 where all of `expected` is below atol, and so only noise. */
  readonly maxRel: number;
  readonly ok: boolean;
}

/** Compares two tensors of one shape in float64; a shape that differs or an entry that is not finite is never ok. */
export function compare({ name, actual, expected, tolerance }: Comparison): Difference {
  if (`${actual.shape}` !== `${expected.shape}`)
    throw new RangeError(`${name} has shape [${actual.shape}], expected [${expected.shape}]`);
  if (actual.numel === 0) return { maxAbs: 0, maxRel: 0, ok: true };
  return scope(() => {
    const target = expected.detach().to("float64");
    const error = actual.detach().to("float64").sub(target).abs();
    const size = target.abs();
    const maxAbs = error.max().toArray()[0]!;
    const largest = size.max().toArray()[0]!;
    const maxRel = largest > tolerance.atol ? maxAbs / largest : 0;
    if ("relativeToLargest" in tolerance)
      return { maxAbs, maxRel, ok: maxAbs <= tolerance.atol + tolerance.relativeToLargest * largest };
    const excess = error.sub(size.mul(tolerance.rtol)).max().toArray()[0]!;
    return { maxAbs, maxRel, ok: excess <= tolerance.atol };
  });
}
