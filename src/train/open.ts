// Sets a run up, or up again: data, model, state and where it is written; the same on every process of it.
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { Batch, Loader } from "../data/loader/loader.ts";
import { together } from "../distributed/gather.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { share } from "../distributed/share.ts";
import { PairState } from "../losses/pair-state.ts";
import { synchroniseBatchNorm } from "../models/index.ts";
import { modelConfig } from "../models/presets.ts";
import type { Ema } from "../optim/ema.ts";
import { createDisplay, createMessageDisplay, type Display } from "../telemetry/live.ts";
import { type Metrics, MetricsWriter, noMetrics, truncateMetrics } from "../telemetry/metrics.ts";
import { paced } from "../telemetry/paced.ts";
import { setThreads } from "../tensor/index.ts";
import { loadCheckpoint, sweepCheckpoints } from "./checkpoint.ts";
import type { Config } from "./config/types.ts";
import { continueRun } from "./continue.ts";
import { openConfigured, openTrainLoader } from "./data.ts";
import { describeRun, locateRun } from "./folder.ts";
import { agreeOnRun, beginAlike } from "./group.ts";
import type { RunPosition } from "./loop.ts";
import { createConfigured, createEma } from "./model.ts";
import { pairsPath, restorePairs, spreadPairs } from "./pairs.ts";
import { formatMemory, formatStart, memoryEstimate } from "./plan/index.ts";
import { dropQuarantine, gatherQuarantine, type KnownBad, knownBad, quarantinePath } from "./quarantine-files.ts";
import { QuarantineList } from "./quarantine-list.ts";
import { fetchRun } from "./remote/fetch.ts";
import type { Resources } from "./resources.ts";
import { runFiles } from "./run-files.ts";
import { computeThreads } from "./threads.ts";
import { type ConfiguredTrainer, createTrainer } from "./trainer.ts";

/** All that a run holds while it goes on. */
export interface Run {
  readonly config: Config;
  readonly group: ProcessGroup;
  readonly folder: string;
  readonly trainer: ConfiguredTrainer;
  readonly ema: Ema | undefined;
  readonly data: Dataset;
  readonly validation: Dataset | undefined;
  readonly loader: Loader;
  readonly metrics: Metrics;
  readonly display: Display;
  readonly start: RunPosition;
  readonly onFault: (fault: Fault) => void;
  readonly leftOut: QuarantineList;
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
  const onProgress = paced((done: number, total: number): void => {
    if (group.rank === 0) onMessage(`${done} of ${total} shards indexed`);
  });
  const leftOut = new QuarantineList();
  const open = (name: "train" | "val", patterns: readonly string[]): Promise<Dataset> => {
    // What is wrong with the shards, all processes see: rank 0 lists it.
    const onSeen = (fault: Fault): void => {
      onFault(fault);
      if (group.rank === 0) leftOut.add(fault, { data: name });
    };
    return openConfigured(patterns, { config, group, onProgress, onMessage, onFault: onSeen });
  };
  const { train, val } = config.data;
  const data = resources.add(await open("train", train));
  const validation = val && resources.add(await open("val", val));
  const onBad = (batch: Pick<Batch, "epoch" | "step" | "bad">): void => leftOut.addBatch(batch, loader);
  // Before the model is made: its threads start meanwhile.
  const inputs = modelConfig(config.model.name);
  const loader = resources.add(openTrainLoader(data, { config, onFault, onBad, group, model: inputs }));
  const model = createConfigured(config, { begins: group.rank === 0 });
  agreeOnRun(group, { config, data, validation, model });
  if (config.distributed.syncBatchNorm && group.size > 1)
    synchroniseBatchNorm(model, group.gatherWithGradient("batchNorm"));

  const fetched = await fetchTogether(config, options);
  // Rank 0 finds or makes the folder, and the checkpoint in it that all go on from.
  const {
    folder,
    checkpoint,
    messages: found,
    bad,
  } = share(group, {
    name: "the run's folder",
    make: () => prepareFolder(config, { group, data }),
  });
  restorePairs(group, { run: folder, checkpoint });
  const known = leftOut.open(quarantinePath(folder, group.rank), { known: bad, isResumed: checkpoint !== undefined });
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
  // What was met after the checkpoint will be met, and counted, again.
  loader.goOn({ steps: startStep, bad: known.filter(({ step }) => step <= startStep) });
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
    for (const message of [...fetched, ...found, ...messages]) say(message);
  }
  return { config, group, folder, trainer, ema, data, validation, loader, metrics, display, start, onFault, leftOut };
}

/** Rank 0 brings what is elsewhere of the run; the others have it from rank 0 as from any checkpoint. */
async function fetchTogether(config: Config, { group, stream }: OpenOptions): Promise<string[]> {
  if (config.run.remoteSync === undefined) return [];
  const isRestarted = group.attempt > 0;
  const onProgress = (sentence: string): void => void stream.write(`${sentence}\n`);
  const part = async () => (group.rank === 0 ? fetchRun(config, { isRestarted, onProgress }) : []);
  return together(group, { name: "remote", part });
}

interface Prepared {
  readonly folder: string;
  /** What the run goes on from; nothing for a new one. */
  readonly checkpoint?: string;
  readonly messages: readonly string[];
  /** What was found bad in the training data so far, by any process. */
  readonly bad: readonly KnownBad[];
}

function prepareFolder(config: Config, { group, data }: { group: ProcessGroup; data: Dataset }): Prepared {
  const { folder, isResumed } = locateRun(config, { isRestarted: group.attempt > 0 });
  const { size, fingerprint } = data;
  const { checkpoint, messages } = isResumed
    ? continueRun(folder, { config, data: { size, fingerprint }, processes: group.size })
    : { checkpoint: undefined, messages: [] };
  sweepCheckpoints(folder);
  describeRun(folder, config);
  if (checkpoint === undefined) dropQuarantine(folder);
  const bad = knownBad(gatherQuarantine(folder));
  return { folder, messages, bad, ...(checkpoint !== undefined && { checkpoint }) };
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
