// Products of matrices that libtorch has, in a faster way.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

let hasAmx: boolean | undefined;

/**
 * a^T b of [k, m] and [k, n], which is [m, n], and the sums of a's columns, [m]; autograd does not see it. On a CPU with AMX, bfloat16 takes
 * half the time when a^T lies in memory row by row, so it is copied there, and summed up on the way; elsewhere the copy would only cost.
 * float32 takes less where the narrower of both is the transposed one (docs/performance.md).
 */
export function transposedProduct(a: Tensor, b: Tensor): [product: Tensor, sums: Tensor] {
  if (a.device === "cpu" && a.strides[1] === 1) {
    hasAmx ??= native.hasAvx512BFloat16() && native.hasAmx();
    if (a.dtype === "bfloat16" && hasAmx) return fromCopy(a, b);
    if (a.dtype === "float32" && a.size(1) > b.size(1)) return [b.t().mm(a).t().contiguous(), columnSums(a)];
  }
  return [a.t().mm(b), columnSums(a)];
}

function fromCopy(a: Tensor, b: Tensor): [product: Tensor, sums: Tensor] {
  const [transposed, sums] = native.transposedCopy(a.handle).map((handle) => new Tensor(handle)) as [Tensor, Tensor];
  const product = transposed.mm(b);
  transposed.free();
  return [product, sums];
}

const columnSums = (a: Tensor): Tensor => a.sumDim({ dim: [0] });
