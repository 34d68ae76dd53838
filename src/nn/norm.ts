import { batchNorm, layerNorm, noGrad, ones, type Tensor, tensor, zeros } from "../tensor/index.ts";
import { gainAndBias } from "./init.ts";
import { Module } from "./module.ts";
import { isRecomputing } from "./recompute.ts";

const eps = 1e-5; // PyTorch's default for both

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
}

/** Normalises each channel of [B, C, H, W]: in training by the batch, and keeps running statistics for evaluation. */
export class BatchNorm2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
  readonly numBatchesTracked: Tensor;
  readonly #momentum = 0.1;
  #isFrozen = false;

  constructor(channels: number) {
    super();
    const [weight, bias] = gainAndBias(channels);
    this.weight = this.parameter("weight", weight);
    this.bias = this.parameter("bias", bias);
    this.runningMean = this.buffer("running_mean", zeros([channels]));
    this.runningVar = this.buffer("running_var", ones([channels]));
    this.numBatchesTracked = this.buffer("num_batches_tracked", tensor(0, { dtype: "int64" }));
  }

  /** From now on training uses the running statistics too, and leaves them as they are. */
  freeze(): void {
    this.#isFrozen = true;
  }

  forward(x: Tensor): Tensor {
    const training = this.training && !this.#isFrozen;
    const learns = training && !isRecomputing();
    if (learns) noGrad(() => this.numBatchesTracked.add_(1));
    const { runningMean, runningVar } = this;
    return batchNorm(x, {
      weight: this.weight,
      bias: this.bias,
      ...(learns || !training ? { runningMean, runningVar } : {}),
      training,
      momentum: this.#momentum,
      eps,
      cudnnEnabled: true,
    });
  }
}
