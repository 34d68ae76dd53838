// From the configured optimizer to the parts of a run: groups of parameters, the optimizer, and its schedule.
import { AdamW } from "../optim/adamw.ts";
import { type ParameterGroup, parameterGroups } from "../optim/groups.ts";
import { Lamb } from "../optim/lamb.ts";
import { withLayerDecay } from "../optim/layers.ts";
import { Lion } from "../optim/lion.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { LearningRateSchedule } from "../optim/schedule.ts";
import { Sgd } from "../optim/sgd.ts";
import type { NamedTensors } from "../tensor/index.ts";
import type { OptimConfig } from "./config/types.ts";

/** The groups of a model's parameters, by name and, with layer-wise decay, by layer. */
export function createGroups(config: OptimConfig, parameters: NamedTensors): ParameterGroup[] {
  const groups = parameterGroups(parameters, config.weightDecay);
  return config.layerDecay === undefined ? groups : withLayerDecay(groups, config.layerDecay);
}

export function createOptimizer(config: OptimConfig, groups: readonly ParameterGroup[]): Optimizer {
  switch (config.kind) {
    case "adamw":
      return new AdamW(groups, config);
    case "lamb":
      return new Lamb(groups, config);
    case "lion":
      return new Lion(groups, config);
    case "sgd": {
      const { momentum, nesterov } = config;
      // Momentum m makes steady steps 1 / (1 - m) times as long: the temperature's own learning rate would not be what it says.
      return new Sgd(groups, { momentum: { gainsAndBiases: momentum, weights: momentum, logitScale: 0 }, nesterov });
    }
  }
}

export interface RunLength {
  /** Steps of the whole run. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** The configured course of the learning rate, in steps. */
export function createSchedule(config: OptimConfig, { steps, stepsPerEpoch }: RunLength): LearningRateSchedule {
  const { lr, warmup, schedule } = config;
  switch (schedule.kind) {
    case "cosine":
      return { kind: "cosine", lr, lrMin: schedule.lrMin, warmup, steps };
    case "const":
      return { kind: "const", lr, warmup };
    case "const-cooldown": {
      const { epochsCooldown, cooldownPower: power, cooldownEnd: lrEnd } = schedule;
      return { kind: "const-cooldown", lr, warmup, steps, cooldownSteps: epochsCooldown * stepsPerEpoch, power, lrEnd };
    }
  }
}
