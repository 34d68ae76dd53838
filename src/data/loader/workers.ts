import { Worker } from "node:worker_threads";
import { workerFile } from "../worker-file.ts";
import type { BadSample, FillJob, FillSetup } from "./fill.ts";
import type { WorkerReport, WorkerRequest } from "./loader.worker.ts";

/** A thread that does not end by itself in this time after it was told to is ended by force. */
const patienceMs = 5000;

export interface WorkersOptions {
  count: number;
  setup: Omit<FillSetup, "thread">;
  /** Told of each batch that is filled. */
  onReady: (ticket: number, bad: BadSample[]) => void;
  /** Told once when a thread has failed or died. */
  onFailure: () => void;
}

/** The loader's threads: their start, their end, and what goes wrong in between. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #workers: Worker[];
  readonly #exits: Promise<void>[];
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  #busy = 0;
  #failure: Error | undefined;
  #closing = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.count }, (_, rank) =>
      startWorker({ ...options.setup, thread: { rank, size: options.count } }),
    );
    this.#exits = this.#workers.map((worker, index) => this.#watch(worker, index));
  }

  /** Sets all threads to work. They must be idle. */
  start(job: FillJob): void {
    this.#busy = this.#workers.length;
    this.#send({ kind: "fill", job });
  }

  /** Waits until `holds()`, which is asked again after each report. Throws when a thread fails, now or earlier. */
  async until(holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (holds()) return;
      // Only a waiting consumer keeps the process alive; a loader that was forgotten does not.
      for (const worker of this.#workers) worker.ref();
      await new Promise<void>((resolve, reject) => this.#waiting.add({ resolve, reject }));
    }
  }

  /** Waits until no thread is at work. */
  untilIdle(): Promise<void> {
    return this.until(() => this.#busy === 0);
  }

  /** Ends all threads. Whoever waits gets an error. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#fail(new Error("the loader is closed"));
    for (const worker of this.#workers) worker.ref();
    this.#send({ kind: "close" });
    const ended = Promise.all(this.#exits);
    const timer = setTimeout(() => this.#workers.map((worker) => worker.terminate()), patienceMs);
    await ended;
    clearTimeout(timer);
  }

  #watch(worker: Worker, index: number): Promise<void> {
    const name = `loader thread ${index + 1} of ${this.#options.count}`;
    worker.on("message", (report: WorkerReport) => this.#receive(report));
    worker.on("error", (error) => this.#fail(new Error(`${name} died: ${error.message}`, { cause: error })));
    return new Promise((resolve) => {
      worker.on("exit", (code) => {
        if (!this.#closing) this.#fail(new Error(`${name} died with exit code ${code}`));
        resolve();
      });
    });
  }

  #receive(report: WorkerReport): void {
    if (report.kind === "failed") this.#fail(new Error(report.message));
    if (report.kind === "idle") this.#busy--;
    if (report.kind === "ready") this.#options.onReady(report.ticket, report.bad);
    this.#wake(({ resolve }) => resolve());
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#options.onFailure();
    this.#wake(({ reject }) => reject(error));
  }

  #wake(how: (waiter: { resolve: () => void; reject: (error: Error) => void }) => void): void {
    const waiters = [...this.#waiting];
    this.#waiting.clear();
    for (const worker of this.#workers) worker.unref();
    for (const waiter of waiters) how(waiter);
  }

  #send(request: WorkerRequest): void {
    for (const worker of this.#workers) worker.postMessage(request);
  }
}

function startWorker(setup: FillSetup): Worker {
  const name = `fastclip-loader-${setup.thread.rank + 1}`;
  const worker = new Worker(workerFile("loader.worker", import.meta.url), { name, workerData: setup });
  worker.unref();
  return worker;
}
