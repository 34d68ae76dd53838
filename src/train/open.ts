// Sets a run up, or up again: data, model, state and where it is written; the same on every process of it.
import { availableParallelism } from "node:os";
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { Loader } from "../data/loader.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { share } from "../distributed/share.ts";
import { PairState } from "../losses/pair-state.ts";
import { synchroniseBatchNorm } from "../models/index.ts";
import type { Ema } from "../optim/ema.ts";
import { createDisplay, createMessageDisplay, type Display } from "../telemetry/live.ts";
import { type Metrics, MetricsWriter, noMetrics, truncateMetrics } from "../telemetry/metrics.ts";
import { setThreads } from "../tensor/index.ts";
import { loadCheckpoint, sweepCheckpoints } from "./checkpoint.ts";
import type { Config } from "./config/types.ts";
import { continueRun } from "./continue.ts";
import { openConfigured, openTrainLoader } from "./data.ts";
import { describeRun, locateRun, runFiles } from "./folder.ts";
import { agreeOnRun, beginAlike } from "./group.ts";
import type { RunPosition } from "./loop.ts";
import { createConfigured, createEma } from "./model.ts";
import { pairsPath, restorePairs, spreadPairs } from "./pairs.ts";
import { formatMemory, formatStart, memoryEstimate } from "./plan/index.ts";
import type { Resources } from "./resources.ts";
import type { Trainer } from "./step.ts";
import { createTrainer } from "./trainer.ts";

/** All that a run holds while it goes on. */
export interface Run {
  readonly config: Config;
  readonly group: ProcessGroup;
  readonly folder: string;
  readonly trainer: Trainer;
  readonly ema: Ema | undefined;
  readonly data: Dataset;
  readonly validation: Dataset | undefined;
  readonly loader: Loader;
  readonly metrics: Metrics;
  readonly display: Display;
  readonly start: RunPosition;
  readonly onFault: (fault: Fault) => void;
}

export interface OpenOptions {
  /** Where progress is shown. */
  readonly stream: NodeJS.WriteStream;
  /** Closes what the run opens. */
  readonly resources: Resources;
  readonly microBatch: number;
  readonly group: ProcessGroup;
}

const beginning: RunPosition = { epoch: 0, stepOfEpoch: 0 };

export async function openRun(config: Config, options: OpenOptions): Promise<Run> {
  const { resources, microBatch, group } = options;
  group.phase = "setting up";
  setThreads(computeThreads(config, group));
  const messages: string[] = [];
  let say = (message: string): void => void messages.push(message);
  const onFault = (fault: Fault): void => say(fault.message);
  // Shown at once: the data may have to be copied before anything else is known.
  const onMessage = createMessageDisplay(options.stream).line;
  const open = (patterns: readonly string[]): Promise<Dataset> =>
    openConfigured(patterns, { config, onFault, onMessage, group });
  const data = resources.add(await open(config.data.train));
  const validation = config.data.val && resources.add(await open(config.data.val));
  const model = createConfigured(config, { begins: group.rank === 0 });
  const loader = resources.add(openTrainLoader(data, { config, onFault, group, model: model.config }));
  agreeOnRun(group, { config, data, validation, model });
  if (config.distributed.syncBatchNorm && group.size > 1)
    synchroniseBatchNorm(model, group.gatherWithGradient("batchNorm"));

  // Rank 0 finds or makes the folder, and the checkpoint in it that all go on from.
  const {
    folder,
    checkpoint,
    messages: found,
  } = share(group, {
    name: "the run's folder",
    make: () => prepareFolder(config, { group, data }),
  });
  restorePairs(group, { run: folder, checkpoint });
  const createPairs = (columns: readonly string[]): PairState =>
    resources.add(PairState.inFile(columns, { size: data.size, path: pairsPath(folder, group.node) }));
  const { stepsPerEpoch } = loader;
  const trainer = createTrainer(config, { model, stepsPerEpoch, microBatch, group, createPairs });
  const ema = createEma(config, model);
  const start = share(group, {
    name: "where the run goes on",
    make: () => (checkpoint === undefined ? beginning : loadCheckpoint(checkpoint, { trainer, ema })),
  });
  beginAlike(group, { trainer, ema });
  if (checkpoint !== undefined && trainer.method.pairs !== undefined) spreadPairs(group, trainer.method.pairs);

  const startStep = start.epoch * stepsPerEpoch + start.stepOfEpoch;
  const { metrics, display } = openOutput({ config, folder, startStep, stepsPerEpoch }, options);
  say = (message) => {
    display.line(message);
    metrics.write({ kind: "event", level: "warning", message });
  };
  if (group.rank === 0) {
    const totalSteps = config.run.epochs * stepsPerEpoch;
    display.line(formatStart({ config, data, group, totalSteps, folder, startStep }));
    display.line(formatMemory(memoryEstimate(config, { microBatch, processes: group.size })));
    // What is wrong with the shards, all processes have seen.
    for (const message of [...found, ...messages]) say(message);
  }
  return { config, group, folder, trainer, ema, data, validation, loader, metrics, display, start, onFault };
}

/**
 * "auto" leaves a core to each loader thread: operators share their work among threads that wait for each other, and one that has
 * to share its core holds all others up (docs/performance.md has the figures). Processes of one machine share its cores evenly.
 */
function computeThreads({ run, data }: Config, { localSize = 1 }: ProcessGroup): number {
  if (run.threads !== "auto") return run.threads;
  return Math.max(1, Math.floor(availableParallelism() / localSize) - data.workers);
}

interface Prepared {
  readonly folder: string;
  /** What the run goes on from; nothing for a new one. */
  readonly checkpoint?: string;
  readonly messages: readonly string[];
}

function prepareFolder(config: Config, { group, data }: { group: ProcessGroup; data: Dataset }): Prepared {
  const { folder, isResumed } = locateRun(config, { isRestarted: group.attempt > 0 });
  const { size, fingerprint } = data;
  const { checkpoint, messages } = isResumed
    ? continueRun(folder, { config, data: { size, fingerprint } })
    : { checkpoint: undefined, messages: [] };
  sweepCheckpoints(folder);
  describeRun(folder, config);
  return { folder, messages, ...(checkpoint !== undefined && { checkpoint }) };
}

/** Rank 0 writes the metrics and shows the progress; the others have nothing but messages. */
function openOutput(
  run: { config: Config; folder: string; startStep: number; stepsPerEpoch: number },
  { stream, resources, group }: OpenOptions,
): Pick<Run, "metrics" | "display"> {
  if (group.rank !== 0) return { metrics: noMetrics, display: createMessageDisplay(stream) };
  const { config, folder, startStep, stepsPerEpoch } = run;
  const { epochs: totalEpochs, logEvery } = config.run;
  truncateMetrics(runFiles.metrics(folder), startStep);
  const metrics = resources.add(new MetricsWriter(runFiles.metrics(folder)));
  const totals = { totalSteps: totalEpochs * stepsPerEpoch, totalEpochs, startStep };
  const display = resources.add(createDisplay({ stream, isTTY: stream.isTTY === true, logEvery, ...totals }));
  return { metrics, display };
}
