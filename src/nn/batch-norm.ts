import {
  batchNorm,
  channelMoments,
  differentiable,
  fusedBatchNorm,
  fusedBatchNormBackward,
  fusesBatchNorm,
  noGrad,
  ones,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "../tensor/index.ts";
import { gainAndBias } from "./init.ts";
import { Module } from "./module.ts";
import { type Gather, type Moments, momentsOfAll } from "./moments.ts";
import { isRecomputing } from "./recompute.ts";
import type { Recipe, Remade } from "./remade.ts";

const eps = 1e-5; // PyTorch's default

/** What follows a batch norm. */
interface Following {
  /** Added to what the norm gives: its shape. */
  readonly shortcut?: Tensor | undefined;
  /** Whether max(0, ...) is taken of that. */
  readonly isRectified?: boolean;
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
  #gather: Gather | undefined;

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

  /** From now on training normalises by the batches of all processes together, each of which gathers as often and in the same order. */
  synchronise(gather: Gather): void {
    this.#gather = gather;
  }

  forward(x: Tensor, following: Following = {}): Tensor {
    return this.#forward(x, following).value;
  }

  /** max(0, norm of x), which can be made again. */
  rectified(x: Tensor): Remade {
    return this.#forward(x, { isRectified: true });
  }

  #forward(x: Tensor, { shortcut, isRectified = false }: Following): Remade {
    const training = this.training && !this.#isFrozen;
    const learns = training && !isRecomputing();
    if (learns) noGrad(() => this.numBatchesTracked.add_(1));
    const isFused = training && this.#gather === undefined && fusesBatchNorm(x, this) && isAlike(x, shortcut);
    if (isFused) return this.#fused(x, { shortcut, isRectified, learns });
    const normal = this.#normalise(x, { training, learns });
    const sum = shortcut === undefined ? normal : normal.add_(shortcut);
    return { value: isRectified ? sum.relu_() : sum };
  }

  /** In as few passes over memory as there can be. Of a norm without a shortcut nothing is kept but x, and what comes out is computed again. */
  #fused(x: Tensor, { shortcut, isRectified, learns }: Required<Following> & { learns: boolean }): Remade {
    const { weight, bias } = this;
    const task = { weight, bias, eps, isRectified };
    const moments = noGrad(() => channelMoments(x));
    if (learns) this.#learn(ofBatch(moments, x));
    const inputs = shortcut === undefined ? [x, weight, bias] : [x, weight, bias, shortcut];
    const value = differentiable<string>(inputs, () => {
      const output = fusedBatchNorm({ ...task, x, moments, shortcut });
      return {
        output,
        kept: shortcut === undefined ? { x, moments } : { x, moments, output },
        derivative: (gradient, { x, moments, output }) => {
          const back = fusedBatchNormBackward(gradient, { ...task, x: x!, moments: moments!, output });
          return [back.dx, back.weight, back.bias, back.shortcut].slice(0, inputs.length);
        },
      };
    });
    if (shortcut !== undefined) return { value };
    const make: Recipe["make"] = ({ x, moments }) => fusedBatchNorm({ ...task, x: x!, moments: moments! });
    return { value, recipe: { from: { x, moments }, make } };
  }

  #normalise(x: Tensor, { training, learns }: { training: boolean; learns: boolean }): Tensor {
    const gather = this.#gather;
    if (training && gather !== undefined) return scope(() => this.#forwardWithOthers(x, { gather, learns }));
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

  #forwardWithOthers(x: Tensor, { gather, learns }: { gather: Gather; learns: boolean }): Tensor {
    const moments = momentsOfAll(x, gather);
    if (learns) this.#learn(moments);
    const { weight, bias } = this.#throughMoments(moments);
    const [runningMean, runningVar] = [moments.mean.detach(), moments.variance.detach()];
    return batchNorm(x, {
      weight,
      bias,
      runningMean,
      runningVar,
      training: false,
      momentum: 0,
      eps,
      cudnnEnabled: true,
    });
  }

  /**
   * For y = (x - mean) r weight + bias with r = (variance + eps)^(-1/2), libtorch takes mean and r as constants. So weight and bias are
   * handed over times (r / constant r) and plus (constant mean - mean) r weight: the same numbers, through which the gradient of y
   * comes to the mean and the variance, and so to every process' x.
   */
  #throughMoments({ mean, variance }: Moments): { weight: Tensor; bias: Tensor } {
    const r = variance.add(eps).rsqrt();
    const weight = this.weight.mul(r.div(r.detach()));
    const bias = this.bias.add(mean.detach().sub(mean).mul(r.detach().mul(this.weight)));
    return { weight, bias };
  }

  #learn({ mean, unbiased }: Pick<Moments, "mean" | "unbiased">): void {
    noGrad(() => {
      this.runningMean.lerp_(mean.to(this.runningMean.dtype), this.#momentum);
      this.runningVar.lerp_(unbiased.to(this.runningVar.dtype), this.#momentum);
    });
  }
}

function isAlike(x: Tensor, shortcut: Tensor | undefined): boolean {
  return shortcut === undefined || (shortcut.dtype === x.dtype && shortcut.numel === x.numel);
}

/** From mean and biased variance, [2, C], of x [B, C, H, W]. */
function ofBatch(moments: Tensor, x: Tensor): Pick<Moments, "mean" | "unbiased"> {
  const count = x.numel / x.shape[1]!;
  const [mean, variance] = moments.unbind() as [Tensor, Tensor];
  return { mean, unbiased: variance.mul(count / (count - 1)) };
}
