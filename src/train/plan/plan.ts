// The frozen plan of a run: everything that follows from its settings and the size of its data, without reading or training anything.
import { InnerEstimator } from "../../losses/estimator.ts";
import { gammaSchedule } from "../../losses/gamma.ts";
import { IndividualLoss } from "../../losses/individual.ts";
import { learningRate } from "../../optim/schedule.ts";
import { resolveBatch } from "../batch.ts";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/types.ts";
import type { Precision } from "../encode.ts";
import { createSchedule } from "../optimizer.ts";
import { temperatureOf } from "../parts.ts";
import { resolvePrecision } from "../precision.ts";
import { chooseMicroBatch, type FitOptions } from "./fit.ts";
import { configuredModel, type MemoryEstimate, memoryEstimate, towersOf } from "./memory.ts";
import { type Collective, collectivesOf, notSent } from "./traffic.ts";

/** The size of the training data, and where it is known from. */
export interface DataSize {
  readonly size: number;
  /** Pairs in an epoch where they are not each taken once. */
  readonly epochSize?: number;
  readonly source: string;
}

/** A value at a step or an epoch at which something begins or ends. */
export interface Corner {
  readonly at: number;
  readonly name: string;
  readonly value: number;
}

export interface RunPlan {
  readonly config: Config;
  readonly data: DataSize;
  readonly processes: number;
  readonly precision: Precision;
  readonly parameters: {
    readonly image: number;
    readonly text: number;
    readonly all: number;
    readonly trained: number;
  };
  readonly batch: { readonly size: number; readonly local: number; readonly microBatch: number };
  readonly steps: { readonly perEpoch: number; readonly all: number };
  /** By step. */
  readonly learningRate: readonly Corner[];
  /** By epoch; undefined for losses that have none. */
  readonly gamma: readonly Corner[] | undefined;
  /** The temperature's own learning rate, by step where it follows the model's, else in words. */
  readonly temperature: { readonly words: string; readonly corners: readonly Corner[] };
  readonly memory: MemoryEstimate;
  /** Of the file that keeps what the loss knows of every pair; 0 where there is none. */
  readonly pairBytes: number;
  readonly collectives: readonly Collective[];
  readonly notSent: Collective;
}

export interface PlanOptions extends FitOptions {
  readonly data: DataSize;
}

/** Throws ConfigError where the settings do not go together with the data or the number of processes. */
export function createPlan(config: Config, { data, processes = 1, ...fit }: PlanOptions): RunPlan {
  const { epochs } = config.run;
  const model = configuredModel(config.model);
  const batch = sharedBatch(config, { data, processes, ...fit });
  const perEpoch = Math.floor((data.epochSize ?? data.size) / batch.size);
  const steps = { perEpoch, all: perEpoch * epochs };
  return {
    config,
    data,
    processes,
    precision: resolvePrecision(config.model.precision),
    parameters: countsOf(config, model),
    batch,
    steps,
    learningRate: learningRateCorners(config, steps),
    gamma: gammaCorners(config),
    temperature: temperaturePlan(config, steps),
    memory: memoryEstimate(config, { microBatch: batch.microBatch, processes }),
    pairBytes: Float32Array.BYTES_PER_ELEMENT * columnsOf(config) * data.size,
    collectives: collectivesOf(config, model),
    notSent: notSent(config, model),
  };
}

function sharedBatch(config: Config, { data, processes = 1, ...fit }: PlanOptions): RunPlan["batch"] {
  const { batchSize: size } = resolveBatch(config);
  const local = size / processes;
  const problems = [
    ...(Number.isInteger(local) ? [] : [`a batch of ${size} pairs cannot be shared by ${processes} processes evenly`]),
    ...(data.size < size ? [`the training data has ${data.size} pairs, fewer than one batch of ${size}`] : []),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  const microBatch = chooseMicroBatch(config, { processes, ...fit });
  if (local % microBatch === 0) return { size, local, microBatch };
  throw new ConfigError([`a process's ${local} pairs cannot be cut into micro-batches of ${microBatch} evenly`]);
}

function countsOf(config: Config, model: ReturnType<typeof configuredModel>): RunPlan["parameters"] {
  const { image, text } = towersOf(config, model);
  const scalars = config.loss.kind === "siglip" ? 2 : 1; // logit_scale, and SigLIP's bias
  return {
    image: image.parameters,
    text: text.parameters,
    all: image.parameters + text.parameters + scalars,
    trained: image.trained + text.trained + scalars,
  };
}

/** Columns of the table of pairs. */
function columnsOf({ loss }: Config): number {
  if (loss.kind === "openclip" || loss.kind === "siglip") return 0;
  return (loss.kind === "fastclip-v2" ? IndividualLoss : InnerEstimator).columns.length;
}

/** In order; of several names of one place the first stays. */
function corners(places: readonly (readonly [at: number, name: string])[], value: (at: number) => number): Corner[] {
  const distinct = places.filter(([at], i) => places.findIndex(([other]) => other === at) === i);
  return distinct.sort(([a], [b]) => a - b).map(([at, name]) => ({ at, name, value: value(at) }));
}

function stepCorners(optim: Config["optim"], { all, perEpoch }: RunPlan["steps"]): (readonly [number, string])[] {
  const { warmup, schedule } = optim;
  const start = schedule.kind === "const-cooldown" ? all - schedule.epochsCooldown * perEpoch : undefined;
  const places: (readonly [number, string])[] = [
    [0, "first step"],
    [all - 1, "last step"],
    [warmup - 1, "end of the warm-up"],
    ...(start === undefined ? [] : [[start, "start of the cooldown"] as const]),
    [Math.floor(all / 2), "middle"],
  ];
  return places.filter(([at]) => at >= 0 && at < all);
}

function learningRateCorners(config: Config, steps: RunPlan["steps"]): Corner[] {
  const schedule = createSchedule(config.optim, { steps: steps.all, stepsPerEpoch: steps.perEpoch });
  return corners(stepCorners(config.optim, steps), learningRate(schedule));
}

function gammaCorners({ loss, run: { epochs } }: Config): Corner[] | undefined {
  if (!("gamma" in loss)) return undefined;
  const decay = loss.gamma.kind === "constant" || loss.gamma.decayEpochs === "auto" ? epochs : loss.gamma.decayEpochs;
  const places: (readonly [number, string])[] = [
    [0, "first epoch"],
    [epochs - 1, "last epoch"],
    [decay, "end of the decay"],
    [Math.floor(decay / 2), "half of the decay"],
    [1, "second epoch"],
  ];
  const named = loss.gamma.kind === "constant" ? places.filter(([, name]) => !name.includes("decay")) : places;
  return corners(
    named.filter(([at]) => at < epochs),
    gammaSchedule(loss.gamma, epochs),
  );
}

function temperaturePlan({ loss, optim }: Config, steps: RunPlan["steps"]): RunPlan["temperature"] {
  const init = `tau starts at ${loss.temperature.init}`;
  if (loss.kind === "fastclip-v2")
    return { words: `${init} for each picture and each text, which learn at ${loss.temperature.lr}`, corners: [] };
  const rule = temperatureOf(loss);
  if (rule.kind === "constant") return { words: `tau stays at ${rule.init}`, corners: [] };
  const lr = rule.lr === "auto" ? optim.lr : rule.lr;
  if (rule.kind === "stepped") {
    const cut =
      rule.decayAt > 0 ? `, and at ${Number((lr / 3).toPrecision(4))} once it is ${rule.decayAt} or less` : "";
    return { words: `${init} and learns at ${lr}${cut}`, corners: [] };
  }
  const schedule = createSchedule(optim, { steps: steps.all, stepsPerEpoch: steps.perEpoch });
  return {
    words: `${init} and learns by the model's schedule, from ${lr} down`,
    corners: corners(stepCorners(optim, steps), learningRate({ ...schedule, lr })),
  };
}
