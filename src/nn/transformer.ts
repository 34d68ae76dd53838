// The pre-norm transformer of CLIP's towers.
import type { Tensor } from "../tensor/index.ts";
import type { Activation } from "./activation.ts";
import { MultiheadAttention } from "./attention.ts";
import { Linear } from "./linear.ts";
import { Module, ModuleList } from "./module.ts";
import { LayerNorm } from "./norm.ts";

export interface TransformerOptions {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the hidden layer of the perceptron, in widths. */
  readonly mlpRatio: number;
  readonly activation: Activation;
}

/** Two linear layers, with the names of OpenCLIP's `mlp`. */
class Perceptron extends Module {
  readonly cFc: Linear;
  readonly cProj: Linear;
  readonly #activation: Activation;

  constructor(width: number, hidden: number, activation: Activation) {
    super();
    this.cFc = this.child("c_fc", new Linear(width, hidden));
    this.cProj = this.child("c_proj", new Linear(hidden, width));
    this.#activation = activation;
  }

  forward(x: Tensor): Tensor {
    return this.cProj.forward(this.#activation(this.cFc.forward(x)));
  }
}

/** One token of every sequence. */
export interface TokenPick {
  /** [B, tokens, width] -> [B, 1, width] */
  from(x: Tensor): Tensor;
  /** bool [B, 1, 1, tokens]: what the token may attend to; all tokens without it. */
  readonly mask?: Tensor;
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

  /** [B, tokens, width], the same out. */
  forward(x: Tensor, options: { isCausal: boolean }): Tensor {
    return this.#perceive(x.add(this.attn.forward(this.ln1.forward(x), options)));
  }

  /** The same at the tokens that `pick` takes ([B, tokens, width] -> [B, picked, width]), without the work for the others. */
  forwardPicked(x: Tensor, pick: TokenPick): Tensor {
    const normed = this.ln1.forward(x);
    return this.#perceive(pick.from(x).add(this.attn.forwardFor(pick.from(normed), normed, pick.mask)));
  }

  #perceive(x: Tensor): Tensor {
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
