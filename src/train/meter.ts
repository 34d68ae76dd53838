// Means over a log interval.
import { type TrafficByName, trafficSince, trafficSum } from "../distributed/traffic.ts";
import { residentBytes } from "../telemetry/memory.ts";
import type { TrainRecord } from "../telemetry/metrics.ts";
import { liveTensors } from "../tensor/index.ts";
import type { FinishedStep } from "./step.ts";

export interface MeteredStep {
  readonly result: FinishedStep;
  readonly samples: number;
  /** Milliseconds spent waiting for the batch. */
  readonly waitMs: number;
  /** Share of its captions that another pair has too, 0..1; undefined where it was not counted. */
  readonly repeated?: number | undefined;
}

/** Adds steps up; `record()` tells what they came to since `restart()`. */
export class Meter {
  readonly #now: () => number;
  readonly #traffic: () => TrafficByName;
  #start: number;
  #steps = 0;
  #samples = 0;
  #wait = 0;
  #loss = 0;
  #infoNce = 0;
  #last: MeteredStep | undefined;
  #trafficBefore: TrafficByName;

  /** `traffic` tells what was exchanged since the process began. */
  constructor({ traffic, now = () => performance.now() }: { traffic: () => TrafficByName; now?: () => number }) {
    this.#now = now;
    this.#start = now();
    this.#traffic = traffic;
    this.#trafficBefore = traffic();
  }

  add(step: MeteredStep): void {
    const { result, samples, waitMs } = step;
    this.#steps++;
    this.#samples += samples;
    this.#wait += waitMs;
    this.#loss += result.loss;
    this.#infoNce += result.infoNce;
    this.#last = step;
  }

  /** Losses, speed and waiting are means over the interval; all else that is measured in a step is that of the last one. */
  record(at: { step: number; epoch: number; samples: number }): TrainRecord {
    if (this.#last === undefined) throw new Error("no step was added in this interval");
    const { result, repeated } = this.#last;
    const { tau, gamma, lr, gradNorm, likeness } = result;
    const elapsed = this.#now() - this.#start;
    const traffic = trafficSince(this.#trafficBefore, this.#traffic());
    return {
      kind: "train",
      ...at,
      loss: this.#loss / this.#steps,
      infoNce: this.#infoNce / this.#steps,
      noInformation: Math.log(this.#samples / this.#steps),
      tau,
      gamma,
      lr,
      gradNorm,
      ...(likeness && { imageLikeness: likeness.image, textLikeness: likeness.text }),
      ...(repeated !== undefined && { repeatedCaptions: repeated }),
      samplesPerSecond: (this.#samples / elapsed) * 1000,
      dataWait: this.#wait / elapsed,
      residentBytes: residentBytes(),
      liveTensors: liveTensors(),
      ...(traffic.size > 0 && { traffic: Object.fromEntries(traffic) }),
      time: Date.now(),
    };
  }

  /** Begins a new interval. */
  restart(): void {
    this.#start = this.#now();
    this.#steps = this.#samples = this.#wait = this.#loss = this.#infoNce = 0;
    this.#last = undefined;
    this.#trafficBefore = this.#traffic();
  }

  /** Runs what is no part of a step, such as evaluation and saving, and leaves its time, and what it sends, out of the interval. */
  async without(work: () => Promise<void>): Promise<void> {
    const [before, sent] = [this.#now(), this.#traffic()];
    await work();
    this.#start += this.#now() - before;
    this.#trafficBefore = trafficSum(this.#trafficBefore, trafficSince(sent, this.#traffic()));
  }
}
