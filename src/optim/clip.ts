// Gradient clipping.

/** What gradients of that norm (taken together) are multiplied by so that it is at most `maxNorm`. */
export function clippingFactor(norm: number, maxNorm: number): number {
  // PyTorch's clip_grad_norm_ adds the same 1e-6 against a division by zero.
  return Math.min(1, maxNorm / (norm + 1e-6));
}
