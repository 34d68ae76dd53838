// A network as a chain of stages: what is locked, and what is computed a second time instead of being kept, one by one.
import { scope, type Tensor } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** A link of a chain. */
export interface Stage {
  /** Modules, and tensors beside them, whose parameters are the stage's. */
  readonly parts: readonly (Module | Tensor)[];
  /** Makes a new tensor of what the stage before it made. `input` is what the whole chain was given. */
  forward(x: Tensor, input: Tensor): Tensor;
}

/** All tensors that may be trained in a stage. */
export function stageParameters({ parts }: Stage): Tensor[] {
  return parts.flatMap((part) => (part instanceof Module ? [...part.parameters().values()] : [part]));
}

/** Runs a chain (of no stages: gives the input back). What a stage made is freed when the next has used it, but for what autograd needs. */
export function runStages(stages: readonly Stage[], input: Tensor): Tensor {
  let x = input;
  for (const stage of stages) {
    const made = scope(() => stage.forward(x, input));
    if (x !== input) x.free();
    x = made;
  }
  return x;
}
