// The copy of a run elsewhere, as the run sees it: it asks for it after each checkpoint, and goes on training.
import { basename } from "node:path";
import { Worker } from "node:worker_threads";
import { workerFile } from "../../data/worker-file.ts";
import { listCheckpoints } from "../run-files.ts";
import type { MirrorSetup } from "./mirror.ts";
import type { MirrorReport, MirrorRequest } from "./mirror.worker.ts";

export interface CopyOptions extends MirrorSetup {
  /** Told in one sentence what went wrong; it is tried again after the next checkpoint. */
  readonly onProblem: (sentence: string) => void;
}

/** What a run without a copy has. */
export interface RunCopy {
  /** The checkpoints that are on their way, by name: they have to stay. */
  readonly underway: ReadonlySet<string>;
  /** Has what is new copied. While something is on its way, once more when that has arrived: the copy is at most one behind. */
  update(): void;
  /** Waits until all is copied, or has failed: then returns why. */
  finish(): Promise<string | undefined>;
  /** Ends the copying where it is. */
  close(): Promise<void>;
}

export const noCopy: RunCopy = {
  underway: new Set(),
  update: () => {},
  finish: async () => undefined,
  close: async () => {},
};

export function startCopy(options: CopyOptions): RunCopy {
  return new ThreadCopy(options);
}

class ThreadCopy implements RunCopy {
  readonly #options: CopyOptions;
  readonly #worker: Worker;
  #underway: ReadonlySet<string> | undefined;
  #isDueAgain = false;
  #isDead = false;
  /** Of the last time. */
  #problem: string | undefined;
  #waiting: (() => void) | undefined;

  constructor({ onProblem, ...setup }: CopyOptions) {
    this.#options = { onProblem, ...setup };
    const file = workerFile("mirror.worker", import.meta.url);
    this.#worker = new Worker(file, { name: "fastclip-copy", workerData: setup });
    this.#worker.unref(); // only who waits for it keeps the process alive
    this.#worker.on("message", ({ problem }: MirrorReport) => this.#arrived(problem));
    this.#worker.on("error", (error) => {
      this.#isDead = true;
      this.#arrived(`the thread that copies died: ${error.message}`);
    });
  }

  get underway(): ReadonlySet<string> {
    return this.#underway ?? new Set();
  }

  update(): void {
    if (this.#isDead) return;
    if (this.#underway !== undefined) {
      this.#isDueAgain = true;
      return;
    }
    this.#isDueAgain = false;
    const names: MirrorRequest = listCheckpoints(this.#options.folder).map((path) => basename(path));
    this.#underway = new Set(names);
    this.#worker.postMessage(names);
  }

  async finish(): Promise<string | undefined> {
    this.#worker.ref();
    this.update();
    while (this.#underway !== undefined)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    return this.#problem;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #arrived(problem: string | undefined): void {
    this.#underway = undefined;
    this.#problem = problem && `the copy in ${this.#options.root} is not what the run is: ${problem}`;
    if (this.#problem !== undefined) this.#options.onProblem(this.#problem);
    if (this.#isDueAgain) this.update();
    this.#waiting?.();
  }
}
