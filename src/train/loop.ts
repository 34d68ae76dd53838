// The training loop: epochs of steps, with what is logged, saved and evaluated between them.
import type { Batch, Loader } from "../data/loader.ts";
import type { Ema } from "../optim/ema.ts";
import type { Display } from "../telemetry/live.ts";
import type { MetricsWriter, TrainRecord } from "../telemetry/metrics.ts";
import { scope } from "../tensor/index.ts";
import { inputsOf } from "./encode.ts";
import { Meter } from "./meter.ts";
import { type Trainer, trainStep } from "./step.ts";

export interface LoopOptions {
  readonly trainer: Trainer;
  /** Takes in the weights after every step. */
  readonly ema: Ema | undefined;
  readonly loader: Loader;
  readonly epochs: number;
  /** Where the run goes on: finished steps of the whole run are epoch * stepsPerEpoch + stepOfEpoch. */
  readonly start: { readonly epoch: number; readonly stepOfEpoch: number };
  readonly logEvery: number;
  /** The run stops when so many steps in a row were given up. */
  readonly maxSkipped: number;
  readonly metrics: MetricsWriter;
  readonly display: Display;
  /** Called when an epoch is finished; counts from 0. */
  readonly afterEpoch: (epoch: number) => Promise<void>;
}

/** Trains to the end. */
export async function trainLoop(options: LoopOptions): Promise<void> {
  const { loader, epochs, start, afterEpoch } = options;
  const meter = new Meter();
  const skips = new SkipCounter(options);
  for (let epoch = start.epoch; epoch < epochs; epoch++) {
    const startStep = epoch === start.epoch ? start.stepOfEpoch : 0;
    for await (const batch of loader.epoch(epoch, { startStep })) runStep(batch, { ...options, meter, skips });
    await meter.without(() => afterEpoch(epoch));
  }
}

function runStep(batch: Batch, options: LoopOptions & { meter: Meter; skips: SkipCounter }): void {
  const { trainer, ema, loader, meter, skips } = options;
  const { epoch, size, waitMs } = batch;
  const step = epoch * loader.stepsPerEpoch + batch.step;
  const imageSize = trainer.model.config.vision_cfg.image_size;
  const result = scope(() => trainStep(trainer, inputsOf(batch, imageSize), { epoch, step }));
  batch.release();
  if ("skipped" in result) {
    skips.count(step + 1, result.skipped);
    return;
  }
  skips.reset();
  ema?.update(step + 1);
  meter.add({ result, samples: size, waitMs });
  report(options, { step: step + 1, epoch, samples: (step + 1) * size });
}

/** Says which steps were given up, and ends a run in which nothing else happens any more. */
class SkipCounter {
  readonly #options: Pick<LoopOptions, "maxSkipped" | "metrics" | "display">;
  #inARow = 0;

  constructor(options: Pick<LoopOptions, "maxSkipped" | "metrics" | "display">) {
    this.#options = options;
  }

  count(step: number, reason: string): void {
    const { maxSkipped, metrics, display } = this.#options;
    this.#inARow++;
    const message = `step ${step} changed nothing: ${reason} (${this.#inARow} of at most ${maxSkipped} in a row)`;
    metrics.write({ kind: "event", level: "warning", message, step });
    display.line(message);
    if (this.#inARow < maxSkipped) return;
    throw new Error(
      `${maxSkipped} steps in a row were not finite, the last one because ${reason}; try a lower --lr or --grad-clip-norm`,
    );
  }

  reset(): void {
    this.#inARow = 0;
  }
}

/** The display is told of every step; the metrics file of every `logEvery`th and of the last one. */
function report(
  { meter, metrics, display, logEvery, loader, epochs }: LoopOptions & { meter: Meter },
  at: Pick<TrainRecord, "step" | "epoch" | "samples">,
): void {
  const isDue = at.step % logEvery === 0 || at.step === epochs * loader.stepsPerEpoch;
  const record = meter.record(at);
  if (isDue) {
    metrics.write(record);
    meter.restart();
  }
  display.update(record);
}
