// Products of matrices that libtorch has, in a faster way.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

let hasAmx: boolean | undefined;

/**
 * a^T b of [k, m] and [k, n]: [m, n]; autograd does not see it. On a CPU with AMX, bfloat16 takes half the time when a^T lies in memory row
 * by row, so it is copied there; elsewhere the copy would only cost (docs/performance.md).
 */
export function transposedProduct(a: Tensor, b: Tensor): Tensor {
  if (a.dtype !== "bfloat16" || a.device !== "cpu" || a.strides[1] !== 1) return a.t().mm(b);
  hasAmx ??= native.hasAmx();
  if (!hasAmx) return a.t().mm(b);
  const transposed = new Tensor(native.transposedCopy(a.handle));
  const product = transposed.mm(b);
  transposed.free();
  return product;
}
