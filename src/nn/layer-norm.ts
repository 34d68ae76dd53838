import { layerNorm, nativeLayerNorm, nativeLayerNormBackward, type Tensor } from "../tensor/index.ts";
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

  /** The same, with each row's mean and 1 / standard deviation. */
  withMoments(x: Tensor): { h: Tensor; mean: Tensor; rstd: Tensor } {
    const [h, mean, rstd] = nativeLayerNorm(x, this.#shape, eps, { weight: this.weight, bias: this.bias });
    return { h, mean, rstd };
  }

  /** The gradients of x, weight and bias from that of what came out. */
  backward(
    gradient: Tensor,
    { x, mean, rstd }: { x: Tensor; mean: Tensor; rstd: Tensor },
  ): { dx: Tensor; weight: Tensor; bias: Tensor } {
    const [dx, weight, bias] = nativeLayerNormBackward(gradient, {
      input: x,
      normalizedShape: this.#shape,
      mean,
      rstd,
      weight: this.weight,
      bias: this.bias,
      outputMask: [true, true, true],
    });
    return { dx, weight, bias };
  }
}
