// The towers of a step: features for the loss, and the way of their gradients back, with as little kept in between as asked.
import { mapPair, type Pair, type Side } from "../losses/pair.ts";
import type { CLIP } from "../models/clip.ts";
import type { Stage } from "../nn/index.ts";
import { span } from "../telemetry/spans.ts";
import type { Tensor } from "../tensor/index.ts";
import { type Inputs, type Precision, unitNorm } from "./encode.ts";
import { keepGraph, keepInputs, keepNothing, type Pass, type Tower } from "./passes.ts";

export interface Encoded {
  /** Unit-norm float32 [b, d]. */
  readonly features: Pair<Tensor>;
  /** What backward needs beside them; a scope that returns this object leaves it alive. */
  readonly kept: readonly Tensor[];
  /**
   * Adds to the gradient of every parameter that is trained, given the gradients of the features. May be called once. `last` runs
   * the last way back of a batch in parts: the one during which processes average their gradients.
   */
  backward(gradients: Pair<Tensor>, last?: (body: () => void) => void): void;
}

/** Takes the features of one side, [b, d]. */
export type OnFeatures = (side: Side, features: Tensor) => void;

export interface TowersOptions {
  readonly precision: Precision;
  /** Keep the input of each block alone, and compute the block a second time for its gradient. */
  readonly gradCheckpointing: boolean;
}

/** Both towers of a model, each as it runs in training. A tower that is locked whole records nothing and is never run twice. */
export class Towers {
  readonly #towers: Pair<Tower>;
  readonly #pass: (tower: Tower, input: Tensor) => Pass;

  constructor(model: CLIP, { precision, gradCheckpointing }: TowersOptions) {
    this.#towers = mapPair(model.stages, (stages) => ({ stages: [...stages, normalisation], precision }));
    this.#pass = gradCheckpointing ? keepInputs : keepGraph;
  }

  /** Keeps what backward needs. `onFeatures` is told of each side as soon as its tower is done. */
  forward(inputs: Pick<Inputs, "images" | "tokens">, onFeatures?: OnFeatures): Encoded {
    return this.#encode(inputs, this.#pass, onFeatures);
  }

  /**
   * Keeps the inputs alone; backward computes all a second time, with the same random numbers and without teaching batch norm
   * twice. So of a batch in parts only one at a time takes memory. The inputs must stay as they are until then.
   */
  forwardTwice(inputs: Pick<Inputs, "images" | "tokens">): Encoded {
    return this.#encode(inputs, (tower, input) => keepNothing(tower, input, this.#pass));
  }

  #encode(
    { images, tokens }: Pick<Inputs, "images" | "tokens">,
    pass: typeof keepGraph,
    onFeatures: OnFeatures = () => {},
  ): Encoded {
    const passes = mapPair({ image: images, text: tokens }, (input, side) => {
      const passed = span(`encode ${side}`, () => pass(this.#towers[side], input));
      onFeatures(side, passed.features);
      return passed;
    });
    return {
      features: mapPair(passes, ({ features }) => features),
      kept: [...passes.image.kept, ...passes.text.kept],
      backward: (gradients, last = (body) => body()) =>
        last(() => {
          mapPair(passes, ({ backward }, side) => span(`backward ${side}`, () => backward(gradients[side])));
        }),
    };
  }
}

const normalisation: Stage = { parts: [], forward: unitNorm };
