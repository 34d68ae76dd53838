// Multi-head attention, softmax(Q K^T / sqrt(d)) V, with its derivative written out: by the addon's kernel where that takes it, else by
// plain products of matrices. At CLIP's short sequences both are faster on a CPU than libtorch's fused kernel (docs/performance.md). Scores
// and their softmax are in float32 where bfloat16 comes.
import {
  cat,
  type DType,
  empty,
  full,
  fusedAttention,
  fusedAttentionBackward,
  fusesAttention,
  scope,
  softmaxBackward,
  type Tensor,
} from "../tensor/index.ts";
import type { Sequences } from "./sequences.ts";

/** Scores that are in memory at once; samples beyond them wait for their turn. */
const maxScores = 2 ** 22;

export interface HeadOptions {
  readonly heads: number;
  /** Every token attends to itself and those before it alone. */
  readonly isCausal: boolean;
  /** Of tokens that are rows of causal sequences. */
  readonly sequences?: Sequences | undefined;
}

/** Queries, keys and values side by side, [B, tokens, 3 width] -> [B, tokens, width], or rows -> rows. */
export function attendHeads(projected: Tensor, options: HeadOptions): Tensor {
  if (!fusesAttention(projected, options)) return attendByProducts(projected, options);
  return fusedAttention(projected, { ...options, starts: options.sequences?.starts });
}

/** What `attendHeads` gives, and the gradient of what went in from that of what came out. */
export interface HeadsBackward {
  readonly output: Tensor;
  readonly input: Tensor;
}

/** The scores are computed a second time. */
export function attendHeadsBackward(gradient: Tensor, projected: Tensor, options: HeadOptions): HeadsBackward {
  if (!fusesAttention(projected, options)) return attendByProductsBackward(gradient, projected, options);
  return fusedAttentionBackward(gradient, projected, { ...options, starts: options.sequences?.starts });
}

/** `attendHeads` by plain products, of any type on any device. */
export function attendByProducts(projected: Tensor, options: HeadOptions): Tensor {
  const { sequences, ...rest } = options;
  if (sequences !== undefined) return asOneLength([projected], options, ([all]) => [attendByProducts(all!, rest)])[0]!;
  const [output] = inTurns([projected], options, ([part]) => {
    const { layout, v, probabilities } = scored(part!, options);
    return [layout.merge([probabilities.to(v.dtype).bmm(v)])];
  });
  return output!;
}

/** `attendHeadsBackward` by plain products. */
export function attendByProductsBackward(gradient: Tensor, projected: Tensor, options: HeadOptions): HeadsBackward {
  const { sequences, ...rest } = options;
  const inputs = [projected, gradient];
  if (sequences !== undefined) {
    const [output, input] = asOneLength(inputs, options, ([all, dy]) => {
      const alone = attendByProductsBackward(dy!, all!, rest);
      return [alone.output, alone.input];
    });
    return { output: output!, input: input! };
  }
  const [output, input] = inTurns(inputs, options, ([part, incoming]) => {
    const { layout, q, k, v, scale, probabilities } = scored(part!, options);
    const [dOut] = layout.split(incoming!, 1) as [Tensor];
    const rounded = probabilities.to(v.dtype);
    const attended = rounded.bmm(v);
    const dV = rounded.transpose(1, 2).bmm(dOut);
    const { dtype } = probabilities;
    const dProbabilities = dOut.bmm(v.transpose(1, 2)).to(dtype);
    const dScores = softmaxBackward(dProbabilities, { output: probabilities, dim: -1, inputDtype: dtype });
    const scaled = dScores.mul_(scale).to(v.dtype);
    return [layout.merge([attended]), layout.merge([scaled.bmm(k), scaled.transpose(1, 2).bmm(q), dV])];
  });
  return { output: output!, input: input! };
}

/** Runs `body` on sequences that are filled up to one length, [B, longest, width], and takes their rows out of what it gives. */
function asOneLength(
  inputs: readonly Tensor[],
  { sequences, isCausal }: HeadOptions,
  body: (filled: readonly Tensor[]) => Tensor[],
): Tensor[] {
  if (!isCausal)
    throw new RangeError(
      "sequences of different lengths are filled up at their ends, which causal attention alone cannot see",
    );
  return scope(() => body(inputs.map((input) => sequences!.filled(input))).map((filled) => sequences!.taken(filled)));
}

/** Runs `body` on as many samples at a time as `maxScores` allows. */
function inTurns(
  inputs: readonly Tensor[],
  { heads }: HeadOptions,
  body: (parts: readonly Tensor[]) => Tensor[],
): Tensor[] {
  const [batch, tokens] = inputs[0]!.shape as [number, number];
  const samples = Math.max(1, Math.floor(maxScores / (heads * tokens ** 2)));
  if (samples >= batch) return scope(() => body(inputs));
  const turns = Array.from({ length: Math.ceil(batch / samples) }, (_, i) => i * samples);
  const parts = turns.map((start) =>
    scope(() => body(inputs.map((input) => input.narrow(0, start, Math.min(samples, batch - start))))),
  );
  return parts[0]!.map((_, i) => cat(parts.map((part) => part[i]!)));
}

function scored(projected: Tensor, { heads, isCausal }: HeadOptions) {
  const layout = new HeadLayout(heads);
  const [q, k, v] = layout.split(projected, 3) as [Tensor, Tensor, Tensor];
  const scale = q.size(2) ** -0.5;
  const precise = q.dtype === "bfloat16" ? "float32" : q.dtype;
  const scores = q.to(precise).mul(scale).bmm(k.to(precise).transpose(1, 2));
  if (isCausal) scores.add_(causalMask(projected.size(1), precise));
  return { layout, q, k, v, scale, probabilities: scores.softmax(-1) };
}

/** [tokens, tokens]: nothing for what a token may see, minus infinity for the tokens after it. */
function causalMask(tokens: number, dtype: DType): Tensor {
  return full([tokens, tokens], Number.NEGATIVE_INFINITY, { dtype }).triu_({ diagonal: 1 });
}

/** Between tokens side by side, [B, tokens, parts * width], and a part's heads one after the other, [B * heads, tokens, d]. */
class HeadLayout {
  readonly #heads: number;

  constructor(heads: number) {
    this.#heads = heads;
  }

  split(x: Tensor, parts: number): Tensor[] {
    const [batch, tokens, width] = x.shape as [number, number, number];
    const split = x.view([batch, tokens, parts, this.#heads, -1]).permute([2, 0, 3, 1, 4]);
    return split.reshape([parts, batch * this.#heads, tokens, width / parts / this.#heads]).unbind();
  }

  merge(parts: readonly Tensor[]): Tensor {
    const [rows, tokens, d] = parts[0]!.shape as [number, number, number];
    const heads = this.#heads;
    const merged = empty([rows / heads, tokens, parts.length, heads, d], { dtype: parts[0]!.dtype });
    for (const [i, part] of parts.entries())
      merged.select(2, i).copy_(part.view([rows / heads, heads, tokens, d]).transpose(1, 2));
    return merged.flatten({ startDim: 2 });
  }
}
