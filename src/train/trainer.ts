// Everything that a step works on, made from the configuration.
import type { CLIP } from "../models/index.ts";
import { AdamW } from "../optim/adamw.ts";
import { parameterGroups } from "../optim/groups.ts";
import { learningRate, type LearningRateSchedule } from "../optim/schedule.ts";
import type { Config } from "./config/types.ts";
import { createMethod } from "./method.ts";
import { resolvePrecision } from "./precision.ts";
import type { Trainer } from "./step.ts";

export interface TrainerContext {
  readonly model: CLIP;
  /** Pairs in the data set: u has an entry for each. */
  readonly dataSize: number;
  readonly stepsPerEpoch: number;
}

export function createTrainer(config: Config, { model, dataSize, stepsPerEpoch }: TrainerContext): Trainer {
  const { run, optim } = config;
  const schedule: LearningRateSchedule = { ...optim, kind: "cosine", steps: stepsPerEpoch * run.epochs };
  const groups = parameterGroups(model.parameters(), optim.weightDecay);
  return {
    model,
    method: createMethod(config.loss, { dataSize, epochs: run.epochs, schedule }),
    groups,
    optimizer: new AdamW(groups, { beta1: optim.beta1, beta2: optim.beta2, eps: optim.eps }),
    learningRate: learningRate(schedule),
    precision: resolvePrecision(config.model.precision),
    gradClipNorm: optim.gradClipNorm,
  };
}
