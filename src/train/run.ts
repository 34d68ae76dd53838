// A whole run: set up, train, evaluate, and leave its results in the run's folder.
import { availableParallelism } from "node:os";
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { Loader } from "../data/loader.ts";
import { ProcessGroup } from "../distributed/process-group.ts";
import type { Evaluation } from "../eval/index.ts";
import { PairState } from "../losses/pair-state.ts";
import type { Ema } from "../optim/ema.ts";
import { createDisplay, type Display } from "../telemetry/live.ts";
import { MetricsWriter, truncateMetrics } from "../telemetry/metrics.ts";
import { setThreads, threads } from "../tensor/index.ts";
import { resolveBatch } from "./batch.ts";
import {
  checkDataset,
  listCheckpoints,
  loadCheckpoint,
  pairsPath,
  pruneCheckpoints,
  restorePairs,
  saveCheckpoint,
} from "./checkpoint.ts";
import type { Config } from "./config/types.ts";
import { openConfigured, openTrainLoader } from "./data.ts";
import { evaluateConfigured } from "./evaluation.ts";
import { describeRun, locateRun, runFiles } from "./folder.ts";
import { trainLoop } from "./loop.ts";
import { createConfigured, createEma } from "./model.ts";
import { chooseMicroBatch, explainOutOfMemory, formatMemory, memoryEstimate } from "./plan/index.ts";
import { resolvePrecision } from "./precision.ts";
import { Resources } from "./resources.ts";
import { type RunTimes, writeResults } from "./results.ts";
import type { Trainer } from "./step.ts";
import { createTrainer } from "./trainer.ts";

export interface RunOptions {
  /** Where progress is shown. */
  readonly stream: NodeJS.WriteStream;
  /** Seconds of what was done before, for the results. */
  readonly times?: Pick<RunTimes, "setup" | "data">;
  /** What a reader must know of the data, for the report. */
  readonly notes?: readonly string[];
}

export interface RunSummary {
  readonly folder: string;
  readonly evaluation: Evaluation | undefined;
  readonly times: RunTimes;
}

/** All that a run holds while it goes on. */
interface Run {
  readonly config: Config;
  readonly folder: string;
  readonly trainer: Trainer;
  readonly ema: Ema | undefined;
  readonly data: Dataset;
  readonly validation: Dataset | undefined;
  readonly loader: Loader;
  readonly metrics: MetricsWriter;
  readonly display: Display;
  readonly start: { readonly epoch: number; readonly stepOfEpoch: number };
  readonly onFault: (fault: Fault) => void;
}

/** Trains as configured, to the end. */
export async function train(config: Config, options: RunOptions): Promise<RunSummary> {
  const started = performance.now();
  const resources = new Resources();
  const microBatch = chooseMicroBatch(config);
  let evaluation: Evaluation | undefined;
  let evaluationSeconds = 0;
  let folder: string;
  try {
    const run = await open(config, { ...options, resources, microBatch });
    folder = run.folder;
    await trainLoop({
      ...run,
      epochs: config.run.epochs,
      logEvery: config.run.logEvery,
      maxSkipped: config.run.maxSkipped,
      afterEpoch: async (epoch) => {
        save(run, epoch);
        if (!isEvaluationDue(run, epoch)) return;
        evaluation = await evaluateAfter(run, epoch);
        evaluationSeconds += evaluation.seconds;
      },
    });
  } catch (error) {
    const sentence = explainOutOfMemory(error, { config, microBatch });
    throw sentence === undefined ? error : new Error(sentence, { cause: error });
  } finally {
    await resources.close();
  }
  const trainingSeconds = (performance.now() - started) / 1000 - evaluationSeconds;
  const times: RunTimes = { ...options.times, training: trainingSeconds, evaluation: evaluationSeconds };
  writeResults({ folder, config, evaluation, times, notes: options.notes ?? [] });
  return { folder, evaluation, times };
}

async function open(
  config: Config,
  { stream, resources, microBatch }: RunOptions & { resources: Resources; microBatch: number },
): Promise<Run> {
  setThreads(computeThreads(config));
  const messages: string[] = [];
  let say = (message: string): void => void messages.push(message);
  const onFault = (fault: Fault): void => say(fault.message);
  const data = resources.add(await openConfigured(config.data.train, { config, onFault }));
  const validation = config.data.val && resources.add(await openConfigured(config.data.val, { config, onFault }));
  const model = createConfigured(config);
  const loader = resources.add(openTrainLoader(data, { config, onFault, model: model.config }));
  const { stepsPerEpoch } = loader;
  const folder = locateRun(config);
  const checkpoint = config.run.resume === undefined ? undefined : listCheckpoints(folder).at(-1);
  if (checkpoint !== undefined) checkDataset(checkpoint, data);
  describeRun(folder, config);
  restorePairs(folder, checkpoint);
  const createPairs = (columns: readonly string[]): PairState =>
    resources.add(PairState.inFile(columns, { size: data.size, path: pairsPath(folder) }));
  const trainer = createTrainer(config, { model, stepsPerEpoch, microBatch, group: ProcessGroup.alone(), createPairs });
  const ema = createEma(config, model);
  const start = checkpoint === undefined ? beginning : loadCheckpoint(checkpoint, { trainer, ema });
  const startStep = start.epoch * stepsPerEpoch + start.stepOfEpoch;
  truncateMetrics(runFiles.metrics(folder), startStep);
  const metrics = resources.add(new MetricsWriter(runFiles.metrics(folder)));
  const totals = { totalSteps: config.run.epochs * stepsPerEpoch, totalEpochs: config.run.epochs, startStep };
  const display = resources.add(
    createDisplay({ stream, isTTY: stream.isTTY === true, logEvery: config.run.logEvery, ...totals }),
  );
  say = (message) => {
    display.line(message);
    metrics.write({ kind: "event", level: "warning", message });
  };
  display.line(plan({ config, data, totalSteps: totals.totalSteps, folder, startStep }));
  display.line(formatMemory(memoryEstimate(config, { microBatch })));
  for (const message of messages) say(message);
  return { config, folder, trainer, ema, data, validation, loader, metrics, display, start, onFault };
}

function plan(run: { config: Config; data: Dataset; totalSteps: number; folder: string; startStep: number }): string {
  const { config, data, totalSteps, folder, startStep } = run;
  const parts = [
    `${config.model.name}, ${config.loss.kind}, ${data.size} pairs, batch ${resolveBatch(config).batchSize}`,
    `${config.run.epochs} epochs, ${totalSteps} steps, ${resolvePrecision(config.model.precision)}, ${threads()} threads`,
    ...(config.optim.emaDecay === undefined
      ? []
      : [`evaluated with the average of its weights (EMA ${config.optim.emaDecay})`]),
    startStep > 0 ? `${folder}, from step ${startStep} on` : folder,
  ];
  return parts.join("; ");
}

/**
 * "auto" leaves a core to each loader thread: operators share their work among threads that wait for each other, and one that has
 * to share its core holds all others up (docs/performance.md has the figures).
 */
function computeThreads({ run, data }: Config): number {
  return run.threads === "auto" ? Math.max(1, availableParallelism() - data.workers) : run.threads;
}

const beginning: Run["start"] = { epoch: 0, stepOfEpoch: 0 };

/** A checkpoint at the end of every epoch; of older ones those at every `saveFrequency`th epoch stay. */
function save({ config, folder, trainer, ema, data, loader }: Run, epoch: number): void {
  const { size, fingerprint } = data;
  const { mean, std } = config.data.aug;
  const step = (epoch + 1) * loader.stepsPerEpoch;
  const state = { step, epoch: epoch + 1, stepOfEpoch: 0, dataset: { size, fingerprint } };
  saveCheckpoint(folder, { trainer, ema, state, preprocess: { mean, std } });
  const every = config.run.saveFrequency;
  pruneCheckpoints(folder, (older) => every > 0 && older.epoch % every === 0);
}

function isEvaluationDue({ config, validation }: Run, epoch: number): boolean {
  if (validation === undefined) return false;
  const { evalFrequency, epochs } = config.run;
  return epoch + 1 === epochs || (evalFrequency > 0 && (epoch + 1) % evalFrequency === 0);
}

const galleryQueries = 12;

async function evaluateAfter(run: Run, epoch: number): Promise<Evaluation> {
  const { config, trainer, ema, validation, metrics, loader, onFault } = run;
  const isLast = epoch + 1 === config.run.epochs;
  const gallery = isLast ? galleryQueries : 0;
  const measure = (): Promise<Evaluation> =>
    evaluateConfigured({ config, model: trainer.model, dataset: validation!, gallery, onFault });
  const evaluation = await (ema === undefined ? measure() : ema.inPlace(measure));
  metrics.write({ kind: "eval", step: (epoch + 1) * loader.stepsPerEpoch, epoch, results: evaluation.results });
  return evaluation;
}
