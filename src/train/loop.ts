// The training loop: epochs of steps, with what is logged, saved and evaluated between them.
import type { Batch, Loader } from "../data/loader/loader.ts";
import { hash32 } from "../data/random.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { Ema } from "../optim/ema.ts";
import type { Display } from "../telemetry/live.ts";
import type { Metrics, TrainRecord } from "../telemetry/metrics.ts";
import { span, spanAsync } from "../telemetry/spans.ts";
import { manualSeed, scope, tensor } from "../tensor/index.ts";
import { inputsOf } from "./encode.ts";
import { Meter } from "./meter.ts";
import type { Profile } from "./profile/index.ts";
import { repeatedShare } from "./repeats.ts";
import { type StepResult, trainStep } from "./step.ts";
import type { StopSignal } from "./stop.ts";
import type { ConfiguredTrainer } from "./trainer.ts";
import { Watch } from "./watch.ts";

export interface LoopOptions {
  readonly trainer: ConfiguredTrainer;
  /** Takes in the weights after every step. */
  readonly ema: Ema | undefined;
  readonly loader: Loader;
  readonly epochs: number;
  /** Where the run goes on. */
  readonly start: RunPosition;
  /** Dropout's random numbers are a function of it, the step and the rank. */
  readonly seed: number;
  readonly logEvery: number;
  /** The run stops when so many steps in a row were given up. */
  readonly maxSkipped: number;
  readonly metrics: Metrics;
  readonly display: Display;
  readonly signal: StopSignal;
  /** Told of every batch. */
  readonly profile: Profile | undefined;
  /** Called after every step but the last of an epoch, with where the run is to go on. */
  readonly afterStep: (next: RunPosition) => Promise<void>;
  /** Called when an epoch is finished; counts from 0. */
  readonly afterEpoch: (epoch: number) => Promise<void>;
}

/** Finished steps of the whole run are epoch * stepsPerEpoch + stepOfEpoch. */
export interface RunPosition {
  readonly epoch: number;
  readonly stepOfEpoch: number;
}

/** Trains to the end, or to the step in which some process was asked to stop: then returns where the run is to go on. */
export async function trainLoop(options: LoopOptions): Promise<RunPosition | undefined> {
  const { trainer, loader, epochs, start, profile, afterStep, afterEpoch } = options;
  const meter = new Meter({ traffic: () => trainer.group.traffic });
  const skips = new SkipCounter(options);
  const learnsTau = trainer.method.temperatureRate !== undefined;
  const betweenSteps = (work: () => Promise<void>) => meter.without(() => spanAsync("between steps", work));
  const watch = new Watch({ start: start.epoch * loader.stepsPerEpoch + start.stepOfEpoch, learnsTau });
  for (let epoch = start.epoch; epoch < epochs; epoch++) {
    const startStep = epoch === start.epoch ? start.stepOfEpoch : 0;
    for await (const batch of loader.epoch(epoch, { startStep })) {
      if (profile !== undefined) await meter.without(async () => profile.onBatch(batch));
      const { stop } = runStep(batch, { ...options, meter, skips, watch });
      const next = { epoch, stepOfEpoch: batch.step + 1 };
      const isLast = next.stepOfEpoch === loader.stepsPerEpoch;
      if (stop && !(isLast && epoch + 1 === epochs)) return next;
      if (!isLast) await betweenSteps(() => afterStep(next));
    }
    await betweenSteps(() => afterEpoch(epoch));
  }
  return undefined;
}

function runStep(batch: Batch, options: LoopOptions & { meter: Meter; skips: SkipCounter; watch: Watch }): StepResult {
  const { trainer, ema, loader, epochs, logEvery, meter, skips, signal, seed } = options;
  const { epoch, size, waitMs } = batch;
  const step = epoch * loader.stepsPerEpoch + batch.step;
  manualSeed(hash32([seed, step, trainer.group.rank]));
  const isLogged = (step + 1) % logEvery === 0 || step + 1 === epochs * loader.stepsPerEpoch;
  const repeated = isLogged ? repeatedShare(batch) : undefined;
  const position = { epoch, step, stop: signal.asked !== undefined, isLogged };
  const result = span("step", () => scope(() => trainStep(trainer, inputsOf(batch, trainer.inputShape), position)));
  batch.release();
  if ("skipped" in result) {
    skips.count(step + 1, result.skipped);
    return result;
  }
  skips.reset();
  if (ema !== undefined) span("ema", () => ema.update(step + 1));
  const samples = size * trainer.group.size;
  meter.add({ result, samples, waitMs, repeated });
  report(options, { at: { step: step + 1, epoch, samples: (step + 1) * samples }, isLogged });
  return result;
}

/** Says which steps were given up, and ends a run in which nothing else happens any more. */
class SkipCounter {
  readonly #options: Pick<LoopOptions, "maxSkipped" | "metrics" | "display" | "trainer">;
  #inARow = 0;

  constructor(options: Pick<LoopOptions, "maxSkipped" | "metrics" | "display" | "trainer">) {
    this.#options = options;
  }

  count(step: number, reason: string): void {
    const { maxSkipped, metrics, display, trainer } = this.#options;
    this.#inARow++;
    const message = `step ${step} changed nothing: ${reason} (${this.#inARow} of at most ${maxSkipped} in a row)`;
    metrics.write({ kind: "event", level: "warning", message, step });
    if (trainer.group.rank === 0) display.line(message); // all ranks give the same steps up
    if (this.#inARow < maxSkipped) return;
    throw new Error(
      `${maxSkipped} steps in a row were not finite, the last one because ${reason}; try a lower --lr or --grad-clip-norm`,
    );
  }

  reset(): void {
    this.#inARow = 0;
  }
}

/** The display is told of every step; the metrics file, and every process, of every `logEvery`th and of the last one. */
function report(
  { trainer, meter, watch, metrics, display }: LoopOptions & { meter: Meter; watch: Watch },
  { at, isLogged }: { at: Pick<TrainRecord, "step" | "epoch" | "samples">; isLogged: boolean },
): void {
  const record = isLogged ? averaged(trainer.group, meter.record(at)) : meter.record(at);
  if (isLogged) {
    metrics.write(record);
    meter.restart();
    if (trainer.group.rank === 0)
      for (const message of watch.look(record)) {
        metrics.write({ kind: "event", level: "warning", message, step: at.step });
        display.line(message);
      }
  }
  display.update(record);
}

/** What ranks measure on their own parts of the batch, as means over all. */
function averaged(group: ProcessGroup, record: TrainRecord): TrainRecord {
  return scope(() => {
    const { repeatedCaptions: repeated = 0 } = record;
    const own = tensor([record.loss, record.infoNce, record.dataWait, repeated], { dtype: "float64" });
    const [loss = 0, infoNce = 0, dataWait = 0, repeatedCaptions = 0] = group.allReduceMean_(own, "metrics").toArray();
    return { ...record, loss, infoNce, dataWait, repeatedCaptions };
  });
}
