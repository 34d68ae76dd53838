// One training step, in the paper's order (FastCLIP, arXiv 2407.01445, Algorithm 1).
import type { GradientReduction } from "../distributed/gradient-reduction.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { type Features, toFloat32 } from "../losses/features.ts";
import { mapPair, type Pair } from "../losses/pair.ts";
import type { CLIP } from "../models/clip.ts";
import { clipGradients, gradientNorm } from "../optim/clip.ts";
import type { ParameterGroup } from "../optim/groups.ts";
import { dropGradients, gradientsOf, type Optimizer } from "../optim/optimizer.ts";
import { type NamedTensors, noGrad, scope, setGrad, type Tensor } from "../tensor/index.ts";
import type { Inputs } from "./encode.ts";
import { findNonFinite } from "./finite.ts";
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
  readonly reduction: GradientReduction;
  /** Pairs that go through the towers at once; the whole batch, or less where memory does not hold it. */
  readonly microBatch: number;
  readonly gradClipNorm: number | undefined;
}

/** Both count from 0; `step` over the whole run. */
export interface Position {
  readonly epoch: number;
  readonly step: number;
}

/** A finished step, or one that was given up because something was not finite, and so changed nothing. */
export type StepResult = FinishedStep | { readonly skipped: string };

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
}

const maxLogitScale = Math.log(100); // as in OpenCLIP: tau >= 0.01

export function trainStep(trainer: Trainer, inputs: Inputs, { epoch, step }: Position): StepResult {
  const { model, method, groups, optimizer, towers, microBatch, group, reduction, gradClipNorm } = trainer;
  return scope(() => {
    const tau = temperature(model);
    const gamma = method.gamma?.(epoch);
    dropGradients(groups);
    const statistics = statisticsOf(model);

    // Encode, and gather the features of all ranks without gradient.
    const encoded = encodeInParts(towers, inputs, microBatch);
    const features = gathered(group, toFloat32(encoded.features));

    // The inner functions g and their estimators u, of which ranks exchange one scalar per pair and side.
    const bias = model.logitBias?.item() ?? 0;
    const input = { features, ids: inputs.ids, tau, bias, gamma: gamma ?? 1, epoch };
    const inner = method.loss.inner(input);
    const scalars = mapPair(inner.scalars, (values) => group.allGather(values, "scalars"));

    // The features' gradients, pushed back into the towers, while ranks average what comes out.
    const result = method.loss.gradients(input, scalars);
    encoded.backward(result.features, (body) => reduction.during(body));
    const averaged = (gradient: Tensor): Tensor => group.allReduceMean_(gradient, "gradients");
    if (method.temperatureRate !== undefined) setGrad(model.logitScale, averaged(result.logScale));
    if (model.logitBias !== undefined && result.bias !== undefined) setGrad(model.logitBias, averaged(result.bias));

    // Nothing has changed so far but the statistics of batch norm; from here on everything does.
    const gradients = gradientsOf(groups);
    const norm = gradientNorm(gradients);
    const gradNorm = norm.item();
    const skipped = findNonFinite({ features: features.local, ids: inputs.ids, groups, gradNorm });
    if (skipped !== undefined) {
      putBack(model, statistics);
      return { skipped };
    }
    inner.commit();

    // The parameters, and the temperature with a learning rate of its own.
    const lr = trainer.learningRate(step);
    const lrTau = method.temperatureRate?.(step, tau) ?? 0;
    noGrad(() => {
      if (gradClipNorm !== undefined) clipGradients(gradients, { norm, maxNorm: gradClipNorm });
      optimizer.step({ gainsAndBiases: lr, weights: lr, logitScale: lrTau });
      model.logitScale.clamp_({ min: 0, max: maxLogitScale });
    });
    return { loss: result.loss.item(), infoNce: inner.infoNce.item(), tau: temperature(model), gamma, lr, gradNorm };
  });
}

/** This rank's features among those of all. */
function gathered(group: ProcessGroup, local: Pair<Tensor>): Features {
  const all = mapPair(local, (values) => group.allGather(values, "features"));
  return { local, all, offset: group.rank * local.image.size(0) };
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
