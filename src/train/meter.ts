// Means over a log interval.
import { residentBytes } from "../telemetry/memory.ts";
import type { TrainRecord } from "../telemetry/metrics.ts";
import { liveTensors } from "../tensor/index.ts";
import type { FinishedStep } from "./step.ts";

export interface MeteredStep {
  readonly result: FinishedStep;
  readonly samples: number;
  /** Milliseconds spent waiting for the batch. */
  readonly waitMs: number;
}

/** Adds steps up; `record()` tells what they came to since `restart()`. */
export class Meter {
  readonly #now: () => number;
  #start: number;
  #steps = 0;
  #samples = 0;
  #wait = 0;
  #loss = 0;
  #infoNce = 0;
  #last: FinishedStep | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#start = now();
  }

  add({ result, samples, waitMs }: MeteredStep): void {
    this.#steps++;
    this.#samples += samples;
    this.#wait += waitMs;
    this.#loss += result.loss;
    this.#infoNce += result.infoNce;
    this.#last = result;
  }

  /** Losses, speed and waiting are means over the interval; tau, gamma and the learning rate are those of the last step. */
  record(at: { step: number; epoch: number; samples: number }): TrainRecord {
    if (this.#last === undefined) throw new Error("no step was added in this interval");
    const { tau, gamma, lr, gradNorm } = this.#last;
    const elapsed = this.#now() - this.#start;
    return {
      kind: "train",
      ...at,
      loss: this.#loss / this.#steps,
      infoNce: this.#infoNce / this.#steps,
      tau,
      gamma,
      lr,
      gradNorm,
      samplesPerSecond: (this.#samples / elapsed) * 1000,
      dataWait: this.#wait / elapsed,
      residentBytes: residentBytes(),
      liveTensors: liveTensors(),
      time: Date.now(),
    };
  }

  /** Begins a new interval. */
  restart(): void {
    this.#start = this.#now();
    this.#steps = this.#samples = this.#wait = this.#loss = this.#infoNce = 0;
    this.#last = undefined;
  }

  /** Runs what is no part of a step, such as evaluation and saving, and leaves its time out of the interval. */
  async without(work: () => Promise<void>): Promise<void> {
    const before = this.#now();
    await work();
    this.#start += this.#now() - before;
  }
}
