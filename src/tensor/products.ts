// Products of matrices that libtorch has, in a faster way.
import { native } from "../native/addon.ts";
import type { DType } from "./dtype.ts";
import { Tensor } from "./ops.generated.ts";

let hasAmx: boolean | undefined;

/**
 * a^T b of [k, m] and [k, n], which is [m, n]; autograd does not see it. On a CPU with AMX, bfloat16 takes half the time when the transposed
 * matrix lies in memory row by row, so the narrower of both is copied there; elsewhere the copy would only cost. float32 takes less where the
 * narrower of both is the transposed one (docs/performance.md).
 */
export function transposedProduct(a: Tensor, b: Tensor): Tensor {
  const isTurned = a.size(1) > b.size(1);
  if (copiesFirst(a) && copiesFirst(b)) return isTurned ? turned(fromCopy(b, a)[0]) : fromCopy(a, b)[0];
  return isTurned && isRowByRow(a, "float32") ? turned(b.t().mm(a)) : a.t().mm(b);
}

/** The same, and the sums of a's columns, [m], which come along where a is copied. */
export function transposedProductAndSums(a: Tensor, b: Tensor): [product: Tensor, sums: Tensor] {
  return copiesFirst(a) ? fromCopy(a, b) : [transposedProduct(a, b), a.sumDim({ dim: [0] })];
}

const isRowByRow = ({ device, dtype, strides }: Tensor, type: DType): boolean =>
  device === "cpu" && dtype === type && strides[1] === 1;

function copiesFirst(matrix: Tensor): boolean {
  hasAmx ??= native.hasAvx512BFloat16() && native.hasAmx();
  return hasAmx && isRowByRow(matrix, "bfloat16");
}

const turned = (matrix: Tensor): Tensor => matrix.t().contiguous();

function fromCopy(a: Tensor, b: Tensor): [product: Tensor, sums: Tensor] {
  const [transposed, sums] = native.transposedCopy(a.handle).map((handle) => new Tensor(handle)) as [Tensor, Tensor];
  const product = transposed.mm(b);
  transposed.free();
  return [product, sums];
}
