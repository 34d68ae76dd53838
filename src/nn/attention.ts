import { linear, scaledDotProductAttention, type Tensor, withoutAutocast, zeros } from "../tensor/index.ts";
import { affine, affineGradients, affineInputGradient, product } from "./affine.ts";
import { attendHeads, attendHeadsBackward, type HeadOptions } from "./heads.ts";
import { xavierUniform } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import type { Branch } from "./residual.ts";

/** How tokens attend to each other. */
export type SequenceOptions = Omit<HeadOptions, "heads">;

/** One token of every sequence. */
export interface TokenPick {
  /** [B, tokens, width], or rows, -> [B, 1, width] */
  from(x: Tensor): Tensor;
  /** Rows [all, ...] -> [B, tokens, ...], where there are rows. */
  readonly spread?: ((rows: Tensor) => Tensor) | undefined;
  /** bool [B, 1, 1, tokens]: what the token may attend to; all tokens without it. */
  readonly mask?: Tensor | undefined;
}

/** Multi-head attention with the parameters of PyTorch's `nn.MultiheadAttention`; tensors are [B, tokens, width]. */
export class MultiheadAttention extends Module {
  /** Queries, keys and values one under the other: [3 width, width]. */
  readonly inProjWeight: Tensor;
  readonly inProjBias: Tensor;
  readonly outProj: Linear;
  readonly #width: number;
  readonly #heads: number;

  constructor(width: number, heads: number) {
    super();
    if (width % heads !== 0) throw new RangeError(`attention of width ${width} cannot be split into ${heads} heads`);
    this.#width = width;
    this.#heads = heads;
    this.outProj = this.child("out_proj", new Linear(width, width));
    this.inProjWeight = this.parameter("in_proj_weight", xavierUniform(3 * width, width));
    this.inProjBias = this.parameter("in_proj_bias", zeros([3 * width]));
    this.outProj.bias.detach().zero_();
  }

  /** Every token attends to all (when `isCausal`, to itself and those before it). */
  forward(x: Tensor, options: { isCausal: boolean }): Tensor {
    const projected = linear(x, this.inProjWeight, { bias: this.inProjBias });
    const [query, key, value] = this.#split(projected, 3);
    return this.#merge(attend(query!, key!, value!, { isCausal: options.isCausal }), projected);
  }

  /** The same with its derivative written out; what the heads gave is computed a second time. */
  branch({ isCausal, sequences }: SequenceOptions): Branch<"projected"> {
    const { outProj } = this;
    const inProj = { weight: this.inProjWeight, bias: this.inProjBias };
    const options = { heads: this.#heads, isCausal, sequences };
    return {
      parameters: [inProj.weight, inProj.bias, outProj.weight, outProj.bias],
      forward: (h) => {
        const projected = affine(h, inProj);
        const output = product(attendHeads(projected, options), outProj.weight);
        return { output, bias: outProj.bias, kept: { projected } };
      },
      backward: (gradient, { h, kept: { projected }, isWanted }) => {
        const dAttended = affineInputGradient(gradient, outProj.weight);
        const { output: attended, input: dProjected } = attendHeadsBackward(dAttended, projected, options);
        const ofOut = isWanted ? affineGradients({ gradient, x: attended }) : [];
        const ofIn = isWanted ? affineGradients({ gradient: dProjected, x: h }) : [];
        return { input: affineInputGradient(dProjected, inProj.weight), parameters: [...ofIn, ...ofOut] };
      },
    };
  }

  /**
   * A few tokens, [B, queries, width], attend to those of `x` that `mask` (bool, broadcast to [B, heads, queries, tokens]) allows.
   * `spread` takes keys and values to [B, tokens, ...] where `x` has sequences as rows.
   */
  forwardFor(queries: Tensor, x: Tensor, { mask, spread = (rows) => rows }: Omit<TokenPick, "from">): Tensor {
    const width = this.#width;
    const project = (input: Tensor, start: number, length: number) =>
      linear(input, this.inProjWeight.narrow(0, start, length), { bias: this.inProjBias.narrow(0, start, length) });
    const projected = project(queries, 0, width);
    const [query] = this.#split(projected, 1);
    const [key, value] = this.#split(spread(project(x, width, 2 * width)), 2);
    return this.#merge(attend(query!, key!, value!, { attnMask: mask }), projected);
  }

  /** [B, tokens, parts * width] -> views [B, heads, tokens, width / heads], one a part, in the type that `attend` wants. */
  #split(projected: Tensor, parts: number): Tensor[] {
    const [batch, tokens] = projected.shape as [number, number];
    const split = inKernelType(projected).view([batch, tokens, parts, this.#heads, this.#width / this.#heads]);
    return split.permute([2, 0, 3, 1, 4]).unbind();
  }

  #merge(attended: Tensor, { dtype }: Tensor): Tensor {
    return this.outProj.forward(attended.transpose(1, 2).flatten({ startDim: 2 }).to(dtype));
  }
}

/** libtorch's fused kernel, in the type of what it is given. */
function attend(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: { isCausal?: boolean; attnMask?: Tensor | undefined },
): Tensor {
  const device = query.device === "cpu" ? "cpu" : "cuda";
  return withoutAutocast({ device }, () => scaledDotProductAttention(query, key, value, options));
}

/** On a CPU the fused kernel is given float32 where bfloat16 comes: on its way back it is slow in bfloat16, and rounds more. */
function inKernelType(x: Tensor): Tensor {
  return x.dtype === "bfloat16" && x.device === "cpu" ? x.to("float32") : x;
}
