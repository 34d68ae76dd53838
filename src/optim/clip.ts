// Gradient clipping.
import { foreachMul_, foreachNorm, stack, type Tensor } from "../tensor/index.ts";

/** The 2-norm of all gradients taken together, []. */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  return stack(foreachNorm(gradients)).norm();
}

/** Scales the gradients down, in place, so that their norm (taken together) is at most `maxNorm`. */
export function clipGradients(gradients: readonly Tensor[], options: { norm: Tensor; maxNorm: number }): void {
  // PyTorch's clip_grad_norm_ adds the same 1e-6 against a division by zero.
  const factor = options.norm.add(1e-6).reciprocal().mul_(options.maxNorm).clamp_({ max: 1 });
  foreachMul_(gradients, factor);
}
