// y = x W^T + b written out with its derivative, with or without b; products are computed in the type of what comes in.
import { linear, type Tensor, transposedProductAndSums } from "../tensor/index.ts";

/** Weight [out, in] and bias [out], of any type. */
export interface AffineParameters {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** x [..., in] -> [..., out]. */
export function affine(x: Tensor, { weight, bias }: AffineParameters): Tensor {
  return linear(x, weight.to(x.dtype), { bias: bias.to(x.dtype) });
}

/** x W^T: [..., in] -> [..., out], where what follows adds the bias on its way. */
export function product(x: Tensor, weight: Tensor): Tensor {
  return linear(x, weight.to(x.dtype));
}

/** The gradient of x, [..., in], from that of y, [..., out]. */
export function affineInputGradient(gradient: Tensor, weight: Tensor): Tensor {
  return gradient.matmul(weight.to(gradient.dtype));
}

/** The gradients of weight and bias, in the type of that of y, [..., out], from it and from x, [..., in]. */
export function affineGradients({ gradient, x }: { gradient: Tensor; x: Tensor }): [weight: Tensor, bias: Tensor] {
  return transposedProductAndSums(gradient.flatten({ endDim: -2 }), x.flatten({ endDim: -2 }));
}
