// Everything that a step works on, made from the configuration.
import { GradientReduction } from "../distributed/gradient-reduction.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { PairState } from "../losses/pair-state.ts";
import type { CLIP } from "../models/index.ts";
import { learningRate } from "../optim/schedule.ts";
import type { Config } from "./config/types.ts";
import { createMethod } from "./method.ts";
import { createGroups, createOptimizer, createSchedule } from "./optimizer.ts";
import { resolvePrecision } from "./precision.ts";
import type { Trainer } from "./step.ts";
import { Towers } from "./towers.ts";

export interface TrainerContext {
  readonly model: CLIP;
  readonly stepsPerEpoch: number;
  readonly microBatch: number;
  readonly group: ProcessGroup;
  /** Makes the table of what the loss keeps of every pair, with these columns. */
  readonly createPairs: (columns: readonly string[]) => PairState;
}

export function createTrainer(
  config: Config,
  { model, stepsPerEpoch, microBatch, group, createPairs }: TrainerContext,
): Trainer {
  const { epochs } = config.run;
  const schedule = createSchedule(config.optim, { steps: stepsPerEpoch * epochs, stepsPerEpoch });
  const groups = createGroups(config.optim, model.parameters());
  return {
    model,
    method: createMethod(config.loss, { epochs, schedule, createPairs }),
    groups,
    optimizer: createOptimizer(config.optim, groups),
    learningRate: learningRate(schedule),
    towers: new Towers(model, {
      precision: resolvePrecision(config.model.precision),
      gradCheckpointing: config.model.gradCheckpointing,
    }),
    microBatch,
    group,
    reduction: createReduction(group, model),
    gradClipNorm: config.optim.gradClipNorm,
  };
}

/** Averages what backward reaches; the temperature's gradient comes from the loss. */
export function createReduction(group: ProcessGroup, model: CLIP): GradientReduction {
  const fromLoss = ["logit_scale", "logit_bias"];
  const trained = [...model.parameters()].filter(
    ([name, { requiresGrad }]) => requiresGrad && !fromLoss.includes(name),
  );
  return new GradientReduction(group, new Map(trained));
}
