// Whether features still tell pairs apart.
import type { Tensor } from "../tensor/index.ts";

/**
 * The mean cosine between different rows of unit-norm features e [B, d], in one pass over them:
 *
 *   1/(B (B-1)) * sum_{i != j} e_i . e_j  =  (B ||m||^2 - 1) / (B - 1),  with m = 1/B * sum_i e_i.
 *
 * Near 0 they point everywhere; at 1 all are one.
 */
export function likeness(features: Tensor): number {
  const rows = features.size(0);
  const mean = features.meanDim({ dim: [0] });
  return (rows * mean.mul(mean).sum().item() - 1) / (rows - 1);
}
