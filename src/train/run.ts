// A whole run: set up, train, evaluate, and leave its results in the run's folder.
import type { Fault } from "../data/faults.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { withGroup } from "../distributed/with-group.ts";
import type { Evaluation } from "../eval/index.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import type { Config } from "./config/types.ts";
import { evaluateConfigured } from "./evaluation.ts";
import { placeOf } from "./group.ts";
import { addEvaluation, pruneCheckpoints, unknownMetric } from "./kept.ts";
import { type RunPosition, trainLoop } from "./loop.ts";
import { type Run as OpenedRun, openRun } from "./open.ts";
import { pairsPath } from "./pairs.ts";
import { chooseMicroBatch, explainOutOfMemory } from "./plan/index.ts";
import { resolvePrecision } from "./precision.ts";
import { Profile } from "./profile/index.ts";
import { countLeftOut, describeLeftOut, gatherQuarantine, type LeftOutCounts } from "./quarantine-files.ts";
import { noCopy, type RunCopy } from "./remote/copy.ts";
import { finishCopy, openCopy } from "./remote/run-copy.ts";
import { Resources } from "./resources.ts";
import { type RunTimes, writeResults } from "./results.ts";
import { runFiles } from "./run-files.ts";
import { SaveClock } from "./save-clock.ts";
import { StopSignal } from "./stop.ts";

/** What a run holds, and its copy elsewhere. */
type Run = OpenedRun & { readonly copy: RunCopy };

export interface RunOptions {
  /** Where progress is shown. */
  readonly stream: NodeJS.WriteStream;
  /** Seconds of what was done before, for the results. */
  readonly times?: Pick<RunTimes, "setup" | "data">;
  /** What a reader must know of the data, for the report. */
  readonly notes?: readonly string[];
  /** Of how many steps is to be told where their time goes; of none by default. */
  readonly profile?: number | undefined;
}

export interface RunSummary {
  readonly folder: string;
  /** Of several processes the first is the one that speaks for the run. */
  readonly rank: number;
  readonly evaluation: Evaluation | undefined;
  readonly times: RunTimes;
  /** The signal that the run was stopped by, after a checkpoint; undefined when it came to its end. */
  readonly stoppedBy: NodeJS.Signals | undefined;
}

/** Trains as configured, to the end or until it is asked to stop; with the other processes that a launcher has started. */
export function train(config: Config, options: RunOptions): Promise<RunSummary> {
  return withGroup(placeOf(config), (group) => trainInGroup(config, { ...options, group }));
}

async function trainInGroup(config: Config, options: RunOptions & { group: ProcessGroup }): Promise<RunSummary> {
  const { stream, notes = [], group } = options;
  const started = performance.now();
  const resources = new Resources();
  const microBatch = chooseMicroBatch(config, shareOfMachine(group));
  let evaluation: Evaluation | undefined;
  let evaluationSeconds = 0;
  let folder: string;
  let leftOut: LeftOutCounts | undefined;
  let stoppedBy: NodeJS.Signals | undefined;
  let copy = noCopy;
  try {
    const opened = await openRun(config, { stream, resources, microBatch, group });
    copy = openCopy(opened, { resources });
    const run = { ...opened, copy };
    folder = run.folder;
    const signal = resources.add(new StopSignal());
    const due = new SaveClock(config.run);
    const profile = options.profile === undefined ? undefined : profileOf(run, options.profile);
    if (profile !== undefined) resources.add(profile);
    const stoppedAt = await trainLoop({
      ...run,
      ...config.run,
      signal,
      profile,
      afterStep: async (next) => {
        if (due.at(stepOf(run, next))) await save(run, next);
      },
      afterEpoch: async (epoch) => {
        const checkpoint = await save(run, { epoch: epoch + 1, stepOfEpoch: 0 });
        due.restart();
        if (!isEvaluationDue(run, epoch)) return;
        evaluation = await evaluateAfter(run, epoch);
        evaluationSeconds += evaluation.seconds;
        if (checkpoint !== undefined) rate(run, { checkpoint, evaluation });
      },
    });
    profile?.finish();
    if (stoppedAt !== undefined) {
      await save(run, stoppedAt);
      if (group.rank === 0) run.display.line(`stopped after step ${stepOf(run, stoppedAt)}, which is saved`);
      stoppedBy = signal.asked ?? "SIGTERM"; // another process was asked
    }
    // No process reads any more of the training data: each has been in the last step's exchange.
    if (group.rank === 0) leftOut = tellLeftOut(run);
  } catch (error) {
    await copy.close();
    const sentence = explainOutOfMemory(error, { config, microBatch });
    throw sentence === undefined ? error : new Error(sentence, { cause: error });
  } finally {
    await resources.close();
  }
  const trainingSeconds = (performance.now() - started) / 1000 - evaluationSeconds;
  const times: RunTimes = { ...options.times, training: trainingSeconds, evaluation: evaluationSeconds };
  const isOver = stoppedBy === undefined;
  if (isOver && leftOut !== undefined) writeResults({ folder, config, evaluation, times, notes, leftOut });
  await finishCopy(copy, { config, folder, stream });
  return { folder, rank: group.rank, evaluation, times, stoppedBy };
}

/** Of several processes the first is looked at. */
function profileOf({ config, group, folder, display }: Run, steps: number): Profile | undefined {
  if (group.rank !== 0) return undefined;
  const dtype = resolvePrecision(config.model.precision) === "amp_bf16" ? "bfloat16" : "float32";
  return new Profile({ steps, dtype, path: runFiles.profile(folder), say: (line) => display.line(line) });
}

/** Brings the lists of all processes in the run's folder together, and says how many samples are in them and why. */
function tellLeftOut({ folder, display }: Run): LeftOutCounts {
  const counts = countLeftOut(gatherQuarantine(folder));
  for (const line of describeLeftOut(counts)) display.line(line);
  return counts;
}

/** Processes of one machine share its memory. */
function shareOfMachine({ size, localSize = 1 }: ProcessGroup): { processes: number; available: number } {
  return { processes: size, available: process.availableMemory() / localSize };
}

/** Finished steps of the whole run. */
function stepOf({ loader }: Run, { epoch, stepOfEpoch }: RunPosition): number {
  return epoch * loader.stepsPerEpoch + stepOfEpoch;
}

/** Rank 0 has all that is to be saved, and returns where it is; the others meet it again at the next exchange. */
async function save(run: Run, next: RunPosition): Promise<string | undefined> {
  const { config, group, folder, trainer, ema, data, copy } = run;
  const step = stepOf(run, next);
  group.phase = `step ${step}: saving`;
  if (group.rank !== 0) return undefined;
  const { size, fingerprint } = data;
  const { mean, std } = config.data.aug;
  const state = { step, ...next, dataset: { size, fingerprint }, processes: group.size };
  const pairs = pairsPath(folder, group.node);
  const checkpoint = await saveCheckpoint(folder, { trainer, ema, state, preprocess: { mean, std }, pairs });
  pruneCheckpoints(folder, { ...config.run, except: copy.underway });
  copy.update();
  return checkpoint;
}

/** Notes what an evaluation found of a checkpoint; it may be the best one now. */
function rate(run: Run, { checkpoint, evaluation }: { checkpoint: string; evaluation: Evaluation }): void {
  const { folder, config, display, metrics, copy } = run;
  const { results } = evaluation;
  addEvaluation(checkpoint, results);
  pruneCheckpoints(folder, { ...config.run, except: copy.underway });
  copy.update();
  const problem = unknownMetric(config.run.keepBest, results);
  if (problem === undefined) return;
  display.line(problem);
  metrics.write({ kind: "event", level: "warning", message: problem });
}

function isEvaluationDue({ config, validation }: Run, epoch: number): boolean {
  if (validation === undefined) return false;
  const { evalFrequency, epochs } = config.run;
  return epoch + 1 === epochs || (evalFrequency > 0 && (epoch + 1) % evalFrequency === 0);
}

const galleryQueries = 12;

async function evaluateAfter(run: Run, epoch: number): Promise<Evaluation> {
  const { config, group, trainer, ema, validation, metrics, loader, onFault, leftOut } = run;
  const step = (epoch + 1) * loader.stepsPerEpoch;
  const isLast = epoch + 1 === config.run.epochs;
  const gallery = isLast ? galleryQueries : 0;
  const { model } = trainer;
  const measure = (): Promise<Evaluation> => {
    // Batch norm's statistics are each process' own: all measure the model of rank 0.
    group.broadcast_([...model.buffers().values()], { name: "buffers" });
    const heard = (fault: Fault): void => {
      if (group.rank !== 0) return; // all are told of all damaged pictures
      onFault(fault);
      leftOut.add(fault, { data: "val", epoch, step });
    };
    return evaluateConfigured({ config, model, dataset: validation!, gallery, onFault: heard, group });
  };
  const evaluation = await (ema === undefined ? measure() : ema.inPlace(measure));
  metrics.write({ kind: "eval", step, epoch, results: evaluation.results });
  return evaluation;
}
