import {
  type DType,
  fusedNorm,
  fusedNormBackward,
  fusesResidual,
  layerNorm,
  nativeLayerNorm,
  nativeLayerNormBackward,
  stack,
  type Tensor,
} from "../tensor/index.ts";
import { gainAndBias } from "./init.ts";
import { Module } from "./module.ts";

const eps = 1e-5; // PyTorch's default

/** Normalises the last dimension. */
export class LayerNorm extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly #shape: readonly number[];

  constructor(width: number) {
    super();
    const [weight, bias] = gainAndBias(width);
    this.weight = this.parameter("weight", weight);
    this.bias = this.parameter("bias", bias);
    this.#shape = [width];
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.#shape, { weight: this.weight, bias: this.bias, eps });
  }

  /** The same in `type`, and the means of the rows and 1 / their standard deviations, [2, ...]. */
  withMoments(x: Tensor, type: DType): { h: Tensor; moments: Tensor } {
    const { weight, bias } = this;
    if (this.#isFused(x, type)) return fusedNorm(x, type, { weight, bias, eps });
    const [h, mean, rstd] = nativeLayerNorm(x, this.#shape, eps, { weight, bias });
    return { h: h.to(type), moments: stack([mean, rstd]) };
  }

  /** The gradients of x, weight and bias from that of what came out. `passed`, which goes by the norm, is added to that of x. */
  backward(
    gradient: Tensor,
    { x, moments, passed }: { x: Tensor; moments: Tensor; passed: Tensor },
  ): { dx: Tensor; weight: Tensor; bias: Tensor } {
    if (this.#isFused(x, gradient.dtype))
      return fusedNormBackward(gradient, { x, moments, weight: this.weight, passed });
    const [mean, rstd] = moments.unbind() as [Tensor, Tensor];
    const [dx, weight, bias] = nativeLayerNormBackward(gradient.to(x.dtype), {
      input: x,
      normalizedShape: this.#shape,
      mean,
      rstd,
      weight: this.weight,
      bias: this.bias,
      outputMask: [true, true, true],
    }) as [Tensor, Tensor, Tensor];
    return { dx: dx.add_(passed), weight, bias };
  }

  #isFused(x: Tensor, type: DType): boolean {
    return fusesResidual(x, type) && this.weight.dtype === "float32";
  }
}
