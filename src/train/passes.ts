// Three ways through a tower and back, which keep in between: autograd's graph, the inputs of the stages, or nothing.
import { recompute, runStages, type Stage, stageParameters } from "../nn/index.ts";
import { autocast, backward, gradOf, noGrad, rngState, scope, type Tensor } from "../tensor/index.ts";
import type { Precision } from "./encode.ts";

/** A chain of stages, and the arithmetic that it runs in. */
export interface Tower {
  readonly stages: readonly Stage[];
  readonly precision: Precision;
}

export interface Pass {
  readonly features: Tensor;
  /** What backward needs beside them. */
  readonly kept: readonly Tensor[];
  /** Pushes the gradient of the features back into the parameters that are trained. */
  backward(gradient: Tensor): void;
}

/** The plain way: autograd keeps every intermediate result. */
export function keepGraph({ stages, precision }: Tower, input: Tensor): Pass {
  const features = inPrecision(precision, () => runStages(stages, input));
  return {
    features,
    kept: [],
    backward: (gradient) => {
      if (features.requiresGrad) backward([features], { gradients: [gradient] });
    },
  };
}

/** What is kept of a stage: its input, and the random state in which it ran. */
interface Link {
  readonly stage: Stage;
  readonly x: Tensor;
  readonly random: Tensor;
}

/** Gradient checkpointing (arXiv 1604.06174): stage by stage, the last first, backward computes a stage again and goes through it. */
export function keepInputs(tower: Tower, input: Tensor): Pass {
  const { stages, precision } = tower;
  const locked = lockedStages(tower);
  const links: Link[] = [];
  const features = inPrecision(precision, () =>
    noGrad(() => {
      const begun = runStages(stages.slice(0, locked), input);
      return stages.slice(locked).reduce((x, stage) => {
        links.push({ stage, x, random: rngState() });
        return scope(() => stage.forward(x, input));
      }, begun);
    }),
  );
  return {
    features,
    kept: links.flatMap(({ x, random }) => [x, random]),
    backward: (gradient) => backwardThrough(links, { tower, input, gradient }),
  };
}

function backwardThrough(
  links: readonly Link[],
  { tower, input, gradient }: { tower: Tower; input: Tensor; gradient: Tensor },
): void {
  let incoming = gradient;
  for (const [i, link] of [...links.entries()].reverse()) {
    const outgoing = scope(() => backwardThroughLink(link, { tower, input, gradient: incoming, isFirst: i === 0 }));
    if (link.x !== input) link.x.free();
    if (incoming !== gradient) incoming.free();
    if (outgoing !== undefined) incoming = outgoing;
  }
}

/** The gradient of the link's input; of the first link nobody asks for it. */
function backwardThroughLink(
  { stage, x, random }: Link,
  { tower, input, gradient, isFirst }: { tower: Tower; input: Tensor; gradient: Tensor; isFirst: boolean },
): Tensor | undefined {
  const leaf = x.detach();
  if (!isFirst) leaf.requireGrad();
  const made = recompute(random, () => inPrecision(tower.precision, () => stage.forward(leaf, input)));
  backward([made], { gradients: [gradient] });
  return isFirst ? undefined : gradOf(leaf)!;
}

/** Backward begins with a whole second pass, done in the way `again`. */
export function keepNothing(tower: Tower, input: Tensor, again: (tower: Tower, input: Tensor) => Pass): Pass {
  const { stages, precision } = tower;
  const random = rngState();
  const features = inPrecision(precision, () => noGrad(() => runStages(stages, input)));
  return {
    features,
    kept: [random],
    backward: (gradient) => {
      if (lockedStages(tower) === stages.length) return;
      scope(() => recompute(random, () => again(tower, input)).backward(gradient));
    },
  };
}

/** How many stages, counted from the first, have nothing that is trained: no gradient has to go there. */
function lockedStages({ stages }: Tower): number {
  const first = stages.findIndex((stage) => stageParameters(stage).some(({ requiresGrad }) => requiresGrad));
  return first < 0 ? stages.length : first;
}

function inPrecision<T>(precision: Precision, body: () => T): T {
  return precision === "amp_bf16" ? autocast({ device: "cpu", dtype: "bfloat16" }, body) : body();
}
