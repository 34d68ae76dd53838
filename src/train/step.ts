// One training step, in the paper's order (FastCLIP, arXiv 2407.01445, Algorithm 1).
import type { GradientReduction } from "../distributed/gradient-reduction.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { mapPair, type Pair } from "../losses/pair.ts";
import type { CLIP } from "../models/clip.ts";
import { clippingFactor } from "../optim/clip.ts";
import type { ParameterGroup } from "../optim/groups.ts";
import { dropGradients, gradientsOf, type Optimizer } from "../optim/optimizer.ts";
import { mark } from "../telemetry/spans.ts";
import { backward, type NamedTensors, noGrad, normOf, scope } from "../tensor/index.ts";
import type { Inputs } from "./encode.ts";
import type { Exchange } from "./exchange.ts";
import { findNonFinite } from "./finite.ts";
import { likeness } from "./likeness.ts";
import type { Method } from "./method.ts";
import { encodeInParts } from "./micro-batch.ts";
import type { Towers } from "./towers.ts";

/** What a step works on. */
export interface Trainer {
  readonly model: CLIP;
  readonly method: Method;
  readonly groups: readonly ParameterGroup[];
  readonly optimizer: Optimizer;
  /** The model's learning rate by step. */
  readonly learningRate: (step: number) => number;
  readonly towers: Towers;
  /** The processes that share a batch; each has as many of its pairs. */
  readonly group: ProcessGroup;
  /** What they tell each other of features. */
  readonly exchange: Exchange;
  /** Averages their parameters' gradients. */
  readonly reduction: GradientReduction;
  /** Pairs that go through the towers at once; the whole batch, or less where memory does not hold it. */
  readonly microBatch: number;
  readonly gradClipNorm: number | undefined;
}

/** `epoch` and `step` count from 0; `step` over the whole run. */
export interface Position {
  readonly epoch: number;
  readonly step: number;
  /** Whether this process was told to stop: all learn of it in this step. */
  readonly stop?: boolean;
  /** Whether what only the log asks for is measured too. */
  readonly isLogged?: boolean;
}

/** A finished step, or one that was given up because something was not finite, and so changed nothing. */
export type StepResult = (FinishedStep | { readonly skipped: string }) & {
  /** Whether any process was told to stop. */
  readonly stop: boolean;
};

export interface FinishedStep {
  /** The method's own loss, and InfoNCE of the same batch, which compares methods. */
  readonly loss: number;
  readonly infoNce: number;
  /** The temperature after the step. */
  readonly tau: number;
  readonly gamma: number | undefined;
  readonly lr: number;
  /** The norm of all gradients, before clipping. */
  readonly gradNorm: number;
  /** How much alike the features of different pairs of the batch are, see `likeness`; measured where the step is logged. */
  readonly likeness: Pair<number> | undefined;
}

const maxLogitScale = Math.log(100); // as in OpenCLIP: tau >= 0.01

export function trainStep(trainer: Trainer, inputs: Inputs, position: Position): StepResult {
  const { model, method, groups, optimizer, towers, microBatch, group, exchange, reduction, gradClipNorm } = trainer;
  const { epoch, step, stop: wantsToStop = false, isLogged = false } = position;
  const enter = (phase: string): void => {
    group.phase = `step ${step + 1}: ${phase}`;
    mark(phase);
  };
  return scope(() => {
    const tau = temperature(model);
    const gamma = method.gamma?.(epoch);
    dropGradients(groups);
    const statistics = statisticsOf(model);

    // Encode, and gather the features of all ranks without gradient, each tower's as soon as it is done.
    enter("forward");
    const gather = exchange.gather(inputs.ids, wantsToStop);
    const encoded = encodeInParts(inputs, {
      towers,
      microBatch,
      onFeatures: (side, values) => gather.send(side, values),
    });
    const { features, ids, stop } = gather.receive();

    // The inner functions g and their estimators u, of which ranks exchange one scalar per pair and side.
    enter("loss");
    const bias = model.logitBias?.item() ?? 0;
    const input = { features, ids: inputs.ids, tau, bias, gamma: gamma ?? 1, epoch };
    const inner = method.loss.inner(input);
    const result = exchange.reduce(method.loss, { input, inner, ids });

    // The features' gradients, pushed back into the towers, while ranks average what comes out.
    enter("backward");
    encoded.backward(result.features, (body) =>
      reduction.during(() => {
        if (method.temperatureRate !== undefined) backward([model.logitScale], { gradients: [result.logScale] });
        if (model.logitBias !== undefined) backward([model.logitBias], { gradients: [result.bias!] });
        body();
      }),
    );

    // Nothing has changed so far but the statistics of batch norm; from here on everything does.
    enter("update");
    const gradNorm = normOf(gradientsOf(groups));
    const skipped = findNonFinite({ features: features.all, ids, groups, gradNorm });
    if (skipped !== undefined) {
      putBack(model, statistics);
      return { skipped, stop };
    }
    if (result.seen !== undefined) method.loss.store(result.seen);

    // The parameters, and the temperature with a learning rate of its own.
    const lr = trainer.learningRate(step);
    const lrTau = method.temperatureRate?.(step, tau) ?? 0;
    const gradientFactor = gradClipNorm === undefined ? 1 : clippingFactor(gradNorm, gradClipNorm);
    noGrad(() => {
      optimizer.step({ gainsAndBiases: lr, weights: lr, logitScale: lrTau }, { gradientFactor });
      model.logitScale.clamp_({ min: 0, max: maxLogitScale });
    });
    const [loss, infoNce] = [result.loss.item(), inner.infoNce.item()];
    const alike = isLogged ? mapPair(features.all, likeness) : undefined;
    return { loss, infoNce, tau: temperature(model), gamma, lr, gradNorm, likeness: alike, stop };
  });
}

/** tau = 1 / exp(logit_scale). */
function temperature(model: CLIP): number {
  return Math.exp(-model.logitScale.item());
}

/** The running statistics of batch norm, which the forward pass changes. */
function statisticsOf(model: CLIP): NamedTensors {
  return new Map([...model.buffers()].map(([name, buffer]) => [name, buffer.clone()]));
}

function putBack(model: CLIP, statistics: NamedTensors): void {
  for (const [name, buffer] of model.buffers()) buffer.copy_(statistics.get(name)!);
}
