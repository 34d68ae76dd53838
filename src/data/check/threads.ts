import { Worker } from "node:worker_threads";
import type { Fault } from "../faults.ts";
import { workerFile } from "../worker-file.ts";
import type { MeasureSetup, Span } from "./measure.ts";
import type { MeasureReport, MeasureRequest } from "./measure.worker.ts";

/** Samples that a thread is given at once. */
const spanSize = 64;
/** Spans that wait at each thread, the one in work included: enough that it never stands still while others are behind. */
const spansAhead = 4;

/** What was found in the next samples. */
export interface Measured {
  /** Samples so far. */
  readonly done: number;
  readonly faults: readonly Fault[];
}

/**
 * Reads all samples in `workers` threads and fills the columns of `setup`. What comes, in the order of ids, does not depend on the number of
 * threads; no more than some spans of faults are held at once.
 */
export async function* measureAll(setup: MeasureSetup & { size: number; workers: number }): AsyncGenerator<Measured> {
  const { size, workers, ...shared } = setup;
  const threads = Array.from({ length: workers }, (_, index) => new Thread(shared, index));
  const pending: { to: number; faults: Promise<Fault[]> }[] = [];
  let [next, dealt] = [0, 0];
  const deal = (): void => {
    const span = { from: next, to: Math.min(size, next + spanSize) };
    const faults = threads[dealt++ % workers]!.measure(span);
    // Who waits for it in its turn gets the error; until then it is no unhandled one.
    faults.catch(() => {});
    pending.push({ to: span.to, faults });
    next = span.to;
  };
  try {
    while (next < size && pending.length < workers * spansAhead) deal();
    for (let first = pending.shift(); first; first = pending.shift()) {
      const faults = await first.faults;
      if (next < size) deal();
      yield { done: first.to, faults };
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.close()));
  }
}

/** One thread, which answers in the order in which it is asked. */
class Thread {
  readonly #worker: Worker;
  readonly #exit: Promise<void>;
  readonly #waiting: { resolve: (faults: Fault[]) => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(setup: MeasureSetup, index: number) {
    const name = `thread ${index + 1} of the check`;
    const file = workerFile("measure.worker", import.meta.url);
    this.#worker = new Worker(file, { name: `fastclip-check-${index + 1}`, workerData: setup });
    this.#worker.on("message", (report: MeasureReport) => this.#receive(report));
    this.#worker.on("error", (error) => this.#fail(new Error(`${name} died: ${error.message}`, { cause: error })));
    this.#exit = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#fail(new Error(`${name} ended with exit code ${code}`));
        resolve();
      });
    });
  }

  measure(span: Span): Promise<Fault[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const answer = new Promise<Fault[]>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#send({ kind: "measure", span });
    return answer;
  }

  async close(): Promise<void> {
    this.#send({ kind: "close" });
    await this.#exit;
  }

  #send(request: MeasureRequest): void {
    this.#worker.postMessage(request);
  }

  #receive(report: MeasureReport): void {
    const { resolve, reject } = this.#waiting.shift()!;
    if (report.kind === "failed") reject(new Error(report.message));
    else resolve(report.faults);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
