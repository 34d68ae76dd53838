// The pre-norm transformer of CLIP's towers.
import type { Tensor } from "../tensor/index.ts";
import type { Activation } from "./activation.ts";
import { MultiheadAttention, type SequenceOptions, type TokenPick } from "./attention.ts";
import { LayerNorm } from "./layer-norm.ts";
import { Module, ModuleList } from "./module.ts";
import { Perceptron } from "./perceptron.ts";
import { residual } from "./residual.ts";

export interface TransformerOptions {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the hidden layer of the perceptron, in widths. */
  readonly mlpRatio: number;
  readonly activation: Activation;
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
export class ResidualAttentionBlock extends Module {
  readonly ln1: LayerNorm;
  readonly attn: MultiheadAttention;
  readonly ln2: LayerNorm;
  readonly mlp: Perceptron;

  constructor(options: Omit<TransformerOptions, "layers">) {
    super();
    const { width, heads, mlpRatio, activation } = options;
    this.ln1 = this.child("ln_1", new LayerNorm(width));
    this.attn = this.child("attn", new MultiheadAttention(width, heads));
    this.ln2 = this.child("ln_2", new LayerNorm(width));
    this.mlp = this.child("mlp", new Perceptron(width, Math.trunc(width * mlpRatio), activation));
  }

  /** [B, tokens, width], or rows of sequences on a CPU; the same out. */
  forward(x: Tensor, options: SequenceOptions): Tensor {
    return this.#perceive(this.#attend(x, options));
  }

  /** The same at the tokens that `pick` takes ([B, tokens, width], or rows, -> [B, picked, width]), without the work for the others. */
  forwardPicked(x: Tensor, pick: TokenPick): Tensor {
    const normed = this.ln1.forward(x);
    return this.#perceive(pick.from(x).add(this.attn.forwardFor(pick.from(normed), normed, pick)));
  }

  #attend(x: Tensor, options: SequenceOptions): Tensor {
    if (x.device === "cpu") return residual(x, { norm: this.ln1, branch: this.attn.branch(options) });
    return x.add(this.attn.forward(this.ln1.forward(x), options));
  }

  #perceive(x: Tensor): Tensor {
    if (x.device === "cpu") return residual(x, { norm: this.ln2, branch: this.mlp.branch() });
    return x.add(this.mlp.forward(this.ln2.forward(x)));
  }
}

/** A stack of blocks. What goes through it is the tower's to say: the last block is asked for one token only. */
export class Transformer extends Module {
  readonly #blocks: readonly ResidualAttentionBlock[];

  constructor(options: TransformerOptions) {
    super();
    this.#blocks = Array.from({ length: options.layers }, () => new ResidualAttentionBlock(options));
    this.child("resblocks", new ModuleList(this.#blocks));
  }

  /** The blocks of the stack, the first first. */
  get blocks(): readonly ResidualAttentionBlock[] {
    return this.#blocks;
  }
}
