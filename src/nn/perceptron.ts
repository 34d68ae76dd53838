import type { Tensor } from "../tensor/index.ts";
import type { Activation } from "./activation.ts";
import { affineGradients, affineInputGradient, product } from "./affine.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import type { Branch } from "./residual.ts";

/** Two linear layers, with the names of OpenCLIP's `mlp`. */
export class Perceptron extends Module {
  readonly cFc: Linear;
  readonly cProj: Linear;
  readonly #activation: Activation;

  constructor(width: number, hidden: number, activation: Activation) {
    super();
    this.cFc = this.child("c_fc", new Linear(width, hidden));
    this.cProj = this.child("c_proj", new Linear(hidden, width));
    this.#activation = activation;
  }

  /** [B, tokens, width], the same out. */
  forward(x: Tensor): Tensor {
    return this.cProj.forward(this.#activation.forward(this.cFc.forward(x)));
  }

  /** The same with its derivative written out; what the activation gave is computed a second time. */
  branch(): Branch<"hidden"> {
    const { cFc, cProj } = this;
    const activation = this.#activation;
    return {
      parameters: [cFc.weight, cFc.bias, cProj.weight, cProj.bias],
      forward: (h) => {
        const hidden = product(h, cFc.weight);
        const output = product(activation.biased(hidden, cFc.bias), cProj.weight);
        return { output, bias: cProj.bias, kept: { hidden } };
      },
      backward: (gradient, { h, kept: { hidden }, isWanted }) => {
        const dActivated = affineInputGradient(gradient, cProj.weight);
        const { output, input: dHidden } = activation.biasedBackward(dActivated, { x: hidden, bias: cFc.bias });
        const ofProj = isWanted ? affineGradients({ gradient, x: output }) : [];
        const ofFc = isWanted ? affineGradients({ gradient: dHidden, x: h }) : [];
        return { input: affineInputGradient(dHidden, cFc.weight), parameters: [...ofFc, ...ofProj] };
      },
    };
  }
}
