// The list of what a run has left out: each bad sample by name, once, as soon as it is met.
import { appendFileSync } from "node:fs";
import type { Fault, FaultCause } from "../data/faults.ts";
import type { Batch } from "../data/loader/loader.ts";
import { withoutCount } from "../data/quarantine.ts";
import { identityOf, type KnownBad, knownBad, readQuarantine, writeQuarantine } from "./quarantine-files.ts";

/** One line of quarantine.jsonl. */
export interface LeftOut {
  readonly data: "train" | "val";
  readonly cause: FaultCause;
  /** File name of the shard. */
  readonly shard: string;
  /** Absent where the fault is the shard's. */
  readonly key?: string | undefined;
  /** One sentence that names shard and sample. */
  readonly message: string;
  /** Position in the training data. */
  readonly id?: number | undefined;
  /** Where the sample was met; absent for what was seen before the first step, when the shards were looked through. */
  readonly epoch?: number | undefined;
  /** Steps that were finished with it; the first is 1. */
  readonly step?: number | undefined;
}

/** Where and when a fault was met. */
type Met = Pick<LeftOut, "data" | "id" | "epoch" | "step">;

type BadBatch = Pick<Batch, "epoch" | "step" | "bad">;

/** Takes in faults from the start; writes them once it is told where the run's folder is. */
export class QuarantineList {
  readonly #waiting: LeftOut[] = [];
  readonly #known = new Set<string>();
  #path: string | undefined;

  add({ cause, shard, key, message }: Fault, { data, id, epoch, step }: Met): void {
    const entry: LeftOut = { data, cause, shard, key, message: withoutCount(message), id, epoch, step };
    if (this.#path === undefined) this.#waiting.push(entry);
    else if (!this.#known.has(identityOf(entry))) this.#write(this.#path, entry);
  }

  /** The samples of the training data that were left out of a batch. */
  addBatch({ epoch, step, bad }: BadBatch, { stepsPerEpoch }: { stepsPerEpoch: number }): void {
    for (const { id, fault } of bad)
      this.add(fault, { data: "train", id, epoch, step: epoch * stepsPerEpoch + step + 1 });
  }

  /**
   * Begins the file or, where the run `isResumed`, goes on with it: neither what it lists is written again, nor what rank 0 has `known` of
   * the training data. What is wrong with the shards has just been seen anew, and takes the place of what was. Returns all bad samples
   * of the training data.
   */
  open(path: string, { known, isResumed }: { known: readonly KnownBad[]; isResumed: boolean }): KnownBad[] {
    const before = isResumed ? readQuarantine(path).filter(({ step }) => step !== undefined) : [];
    const entries = [...this.#waiting, ...before];
    writeQuarantine(path, entries);
    this.#path = path;
    for (const entry of entries) this.#known.add(identityOf(entry));
    for (const { id } of known) this.#known.add(identityOf({ data: "train", id }));
    return [...new Map([...known, ...knownBad(before)].map((one) => [one.id, one])).values()];
  }

  /** One write, so that a killed process leaves at most its last line cut off. */
  #write(path: string, entry: LeftOut): void {
    this.#known.add(identityOf(entry));
    appendFileSync(path, `${JSON.stringify(entry)}\n`);
  }
}
