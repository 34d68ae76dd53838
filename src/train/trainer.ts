// Everything that a step works on, made from the configuration.
import { GradientReduction } from "../distributed/gradient-reduction.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { PairState } from "../losses/pair-state.ts";
import type { CLIP } from "../models/index.ts";
import { type Stage, stageParameters } from "../nn/index.ts";
import { learningRate } from "../optim/schedule.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Config } from "./config/types.ts";
import type { InputShape } from "./encode.ts";
import { Exchange } from "./exchange.ts";
import { matrixGradientType, setGradientTypes } from "./gradient-type.ts";
import { createMethod, type Method } from "./method.ts";
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

/** With what its steps are given. */
export interface ConfiguredTrainer extends Trainer {
  readonly inputShape: InputShape;
}

export function createTrainer(
  config: Config,
  { model, stepsPerEpoch, microBatch, group, createPairs }: TrainerContext,
): ConfiguredTrainer {
  const { epochs } = config.run;
  const schedule = createSchedule(config.optim, { steps: stepsPerEpoch * epochs, stepsPerEpoch });
  const groups = createGroups(config.optim, model.parameters());
  setGradientTypes(groups, matrixGradientType(config, { microBatch, group }));
  const method = createMethod(config.loss, { epochs, schedule, createPairs });
  const { gradientReduction: reduction, featurePrecision } = config.distributed;
  return {
    model,
    inputShape: { imageSize: model.config.vision_cfg.image_size, textMultiple: config.model.textMultiple },
    method,
    groups,
    optimizer: createOptimizer(config.optim, groups),
    learningRate: learningRate(schedule),
    towers: new Towers(model, {
      precision: resolvePrecision(config.model.precision),
      gradCheckpointing: config.model.gradCheckpointing,
    }),
    microBatch,
    group,
    exchange: new Exchange(group, { reduction, featurePrecision }),
    reduction: createReduction(group, { model, method }),
    gradClipNorm: config.optim.gradClipNorm,
  };
}

/** Averages the gradients of all that is trained; tau is not in every method. */
export function createReduction(
  group: ProcessGroup,
  { model, method }: { model: CLIP; method: Method },
): GradientReduction {
  const isTrained = (name: string): boolean => name !== "logit_scale" || method.temperatureRate !== undefined;
  const trained = [...model.parameters()].filter(([name, { requiresGrad }]) => requiresGrad && isTrained(name));
  const places = new Map(backwardOrder(model).map((parameter, place) => [parameter, place]));
  const placeOf = (parameter: Tensor): number => places.get(parameter) ?? -1;
  return new GradientReduction(group, new Map(trained.sort(([, a], [, b]) => placeOf(a) - placeOf(b))));
}

/** Backward comes to the temperature first, then to the image tower and to the text tower, each from its end to its beginning. */
function backwardOrder({ stages }: CLIP): Tensor[] {
  const backwards = (tower: readonly Stage[]): Tensor[] => tower.flatMap(stageParameters).reverse();
  return [...backwards(stages.image), ...backwards(stages.text)];
}
