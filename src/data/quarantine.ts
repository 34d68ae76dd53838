import type { Fault, FaultCause, FaultCounts } from "./faults.ts";
import type { BadSample } from "./loader/fill.ts";

export interface QuarantineOptions {
  /** The largest share of bad samples that is put up with; 0 stops at the first. */
  maxBadRate: number;
  onFault?: ((fault: Fault) => void) | undefined;
  /** Samples that the share is taken of at least, where that is more than 1,000. */
  leastTried?: number | undefined;
}

/** A bad sample that was counted before. */
export interface BadCount {
  readonly id: number;
  readonly cause: FaultCause;
}

/** The sentence of a fault without the count that {@link Quarantine} adds to it. */
export function withoutCount(message: string): string {
  return message.replace(/; skipped \(\d+ of \d+ so far\)$/, "");
}

/** The rate is taken over at least 1,000 samples, so that one bad sample among the first ten does not stop a run. */
export function countedAtLeast(tried: number, leastTried = 0): number {
  return Math.max(tried, leastTried, 1000);
}

/**
 * Counts what was left out, and stops when it is too much: as soon as the bad samples are more than `maxBadRate` times the samples
 * tried, counted as at least 1,000. (At 1 % a set of a hundred samples may have up to ten bad ones, a set of a million ten thousand.)
 */
export class Quarantine {
  readonly #maxBadRate: number;
  readonly #leastTried: number | undefined;
  readonly #onFault: ((fault: Fault) => void) | undefined;
  readonly #counts: FaultCounts = {};
  #tried = 0;
  #bad = 0;

  constructor(options: QuarantineOptions) {
    const { maxBadRate } = options;
    if (!(maxBadRate >= 0 && maxBadRate <= 1)) {
      throw new RangeError(`maxBadRate must be between 0 and 1, but is ${maxBadRate}`);
    }
    this.#maxBadRate = maxBadRate;
    this.#leastTried = options.leastTried;
    this.#onFault = options.onFault;
  }

  /** Faults so far, by cause. */
  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  /** Counts what was told of before, by an earlier process. */
  goOn(causes: readonly FaultCause[]): void {
    for (const cause of causes) this.#count(cause);
  }

  /**
   * Takes in the outcome of more samples: how many have been tried in all, and the faults among the latest.
   * Throws when too many were bad.
   */
  record(tried: number, faults: readonly Fault[]): void {
    this.#tried = tried;
    for (const fault of faults) {
      this.#count(fault.cause);
      this.#onFault?.({ ...fault, message: `${fault.message}; skipped (${this.#bad} of ${tried} so far)` });
    }
    const last = faults.at(-1);
    if (last && this.#bad > this.#maxBadRate * countedAtLeast(this.#tried, this.#leastTried)) this.#stop(last);
  }

  #count(cause: FaultCause): void {
    this.#bad++;
    this.#counts[cause] = (this.#counts[cause] ?? 0) + 1;
  }

  #stop(last: Fault): never {
    const share = ((100 * this.#bad) / Math.max(1, this.#tried)).toPrecision(2);
    const causes = Object.entries(this.#counts).map(([cause, count]) => `${count} ${cause}`);
    throw new Error(
      `too many bad samples: ${this.#bad} of ${this.#tried} (${share} %) where maxBadRate allows ` +
        `${100 * this.#maxBadRate} % (${causes.join(", ")}); the last: ${last.message}`,
    );
  }
}

/** Counts the outcome of batches, in their order; a sample that is found bad again and again counts once. */
export class BatchQuarantine {
  readonly #quarantine: Quarantine;
  readonly #size: number;
  readonly #known = new Set<number>();
  #tried = 0;

  /** `size` samples are in the data set. */
  constructor(size: number, options: QuarantineOptions) {
    this.#size = size;
    this.#quarantine = new Quarantine(options);
  }

  get counts(): FaultCounts {
    return this.#quarantine.counts;
  }

  /** Goes on with what earlier processes have counted: the samples that they tried, and those that were bad. */
  goOn({ tried, bad }: { tried: number; bad: readonly BadCount[] }): void {
    this.#tried = Math.min(this.#size, tried);
    for (const { id } of bad) this.#known.add(id);
    this.#quarantine.goOn(bad.map(({ cause }) => cause));
  }

  /** A batch of so many samples, and those that were left out while it was filled. Throws when too many were. */
  record(samples: number, bad: readonly BadSample[]): void {
    this.#tried = Math.min(this.#size, this.#tried + samples + bad.length);
    const fresh = bad.filter(({ id }) => !this.#known.has(id));
    for (const { id } of fresh) this.#known.add(id);
    this.#quarantine.record(
      this.#tried,
      fresh.map(({ fault }) => fault),
    );
  }
}
