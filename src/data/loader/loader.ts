import { setImmediate as eventLoopTurn } from "node:timers/promises";
import type { Dataset } from "../dataset.ts";
import type { Fault, FaultCounts } from "../faults.ts";
import type { ImageSettings } from "../image/transform.ts";
import { mixedLength } from "../plan/mixed.ts";
import type { Mix, Order } from "../plan/plan.ts";
import { type BadCount, BatchQuarantine, countedAtLeast } from "../quarantine.ts";
import { checkOptions, checkPosition } from "./check.ts";
import type { BadSample, Part } from "./fill.ts";
import { SlotRing } from "./slots.ts";
import { Workers } from "./workers.ts";

export interface LoaderOptions {
  dataset: Dataset;
  /** Samples in a batch, of all processes together. */
  batchSize: number;
  /** Which of several processes that share every batch this one is; its batches are parts. Default: the only one. */
  part?: Part;
  /**
   * Threads that read, decode, augment and tokenize; at least 1. JPEGs (where the addon has libjpeg-turbo) and plain PNGs are decoded by
   * the thread itself; the other pictures of all threads in libuv's pool, whose size is the environment's UV_THREADPOOL_SIZE, 4 by default.
   */
  workers: number;
  /** Order and augmentation are functions of it, the epoch and the sample. */
  seed: number;
  image: ImageSettings;
  contextLength: number;
  /** Batches that are made ahead of the one in use; default 3. */
  prefetch?: number;
  /** In which order an epoch goes through the samples. */
  order: Order;
  /** How the patterns of the data set are mixed; each sample comes once when absent. Goes with the global order. */
  mix?: Mix | undefined;
  /** Leaves out the last batch of an epoch if it is not full. */
  dropLast: boolean;
  /** Share of bad samples above which loading stops; default 0.01. See Quarantine for the exact rule. */
  maxBadRate?: number;
  /** Samples that this share is taken of at least, where that is more than 1,000. */
  leastTried?: number;
  /** Told of each bad sample once, in the order of the batches. */
  onFault?: (fault: Fault) => void;
  /** Told where bad samples were met, as often as they are, before they are counted and so may be too many. */
  onBad?: (batch: Pick<Batch, "epoch" | "step" | "bad">) => void;
}

/** One batch, or this process' part of it. Its arrays lie in memory shared with the loader's threads and are valid until `release()`. */
export interface Batch {
  readonly epoch: number;
  readonly step: number;
  /** Samples here: batchSize or an equal part of it; fewer in the last batch of an epoch. */
  readonly size: number;
  /** [size] */
  readonly ids: BigInt64Array;
  /** [size, 3, image.size, image.size] */
  readonly images: Float32Array;
  /** [size, contextLength] */
  readonly tokens: Int32Array;
  /** Samples that were left out while this batch was filled: its own, and others that were to stand in their place. */
  readonly bad: readonly BadSample[];
  /** Milliseconds that the consumer waited for this batch. */
  readonly waitMs: number;
  /** Gives the memory back for another batch. */
  release(): void;
}

/** Steps of an epoch, by default all. */
export interface Steps {
  readonly startStep?: number;
  readonly endStep?: number;
}

export interface Loader {
  readonly stepsPerEpoch: number;
  /**
   * The batches of an epoch from `startStep` on, up to but not including `endStep`; nothing is read to skip the others. What comes is
   * a function of the data set, the settings, the seed and (epoch, step), whatever the number of threads. Ends an epoch that is still
   * running.
   */
  epoch(epoch: number, options?: Steps): AsyncIterable<Batch>;
  /** Goes on with what was counted in the finished `steps` of a run that is resumed, by all of its processes. */
  goOn(before: { readonly steps: number; readonly bad: readonly BadCount[] }): void;
  /** Bad samples met so far, by cause; each sample counts once. */
  faults(): FaultCounts;
  /** Ends the threads. */
  close(): Promise<void>;
}

/**
 * Makes batches from a data set in threads of its own.
 *
 * A bad sample is reported, and its place in the batch taken by the next good one that has this place in another batch.
 */
export function createLoader(options: LoaderOptions): Loader {
  checkOptions(options);
  return new ThreadedLoader(options);
}

const onlyPart: Part = { rank: 0, size: 1 };

class ThreadedLoader implements Loader {
  readonly stepsPerEpoch: number;
  readonly #options: LoaderOptions;
  /** Samples in an epoch. */
  readonly #length: number;
  readonly #part: Part;
  readonly #ring: SlotRing;
  readonly #workers: Workers;
  readonly #quarantine: BatchQuarantine;
  /** Batches that are filled and not handed over yet, by ticket. */
  readonly #ready = new Map<number, BadSample[]>();
  /** Slots whose batch was handed over and not released yet. */
  readonly #held = new Set<number>();
  /** Counts calls of epoch(): batches of an earlier one are no longer waited for. */
  #run = 0;

  constructor(options: LoaderOptions) {
    const { dataset, batchSize, image, contextLength, workers, seed, order, mix } = options;
    const { prefetch = 3, maxBadRate = 0.01, leastTried, onFault, part = onlyPart } = options;
    this.#options = options;
    this.#part = part;
    this.#length = mix ? mixedLength(mix) : dataset.size;
    this.stepsPerEpoch = (options.dropLast ? Math.floor : Math.ceil)(this.#length / batchSize);
    this.#quarantine = new BatchQuarantine(dataset.size, { maxBadRate, leastTried, onFault });
    const imageLength = 3 * image.size * image.size;
    const count = prefetch + 1;
    this.#ring = SlotRing.allocate({ count, batchSize: batchSize / part.size, imageLength, contextLength });
    const { slots, control } = this.#ring;
    const mostBad = maxBadRate * countedAtLeast(dataset.size);
    this.#workers = new Workers({
      count: workers,
      setup: { table: dataset.table, slots, control, batchSize, part, seed, order, mix, image, contextLength, mostBad },
      onReady: (ticket, bad) => this.#ready.set(ticket, bad),
      onFailure: () => this.#ring.cancel(),
    });
  }

  async *epoch(epoch: number, steps: Steps = {}): AsyncGenerator<Batch> {
    const { startStep = 0, endStep = this.stepsPerEpoch } = steps;
    checkPosition(epoch, { startStep, endStep }, this.stepsPerEpoch);
    const run = ++this.#run;
    await this.#stop();
    if (run !== this.#run) throw replaced(epoch, startStep);
    this.#ring.reset(this.#held);
    this.#workers.start({ epoch, startStep, endStep });
    try {
      for (let step = startStep; step < endStep; step++) {
        // Messages of busy threads may come without end, and Node hands over a thousand of them before it looks at anything else:
        // a consumer that computes between them would never be told of a signal or a timer.
        await eventLoopTurn();
        yield await this.#take({ run, epoch, step, ticket: step - startStep });
      }
    } finally {
      if (run === this.#run) this.#ring.cancel();
    }
  }

  goOn({ steps, bad }: { steps: number; bad: readonly BadCount[] }): void {
    const own = this.#options.batchSize / this.#part.size;
    this.#quarantine.goOn({ tried: steps * own + bad.length, bad });
  }

  faults(): FaultCounts {
    return this.#quarantine.counts;
  }

  async close(): Promise<void> {
    this.#ring.cancel();
    await this.#workers.close();
  }

  /** Ends the work on the epoch before, if there was one. */
  async #stop(): Promise<void> {
    this.#ring.cancel();
    await this.#workers.untilIdle();
    this.#ready.clear();
  }

  async #take(at: { run: number; epoch: number; step: number; ticket: number }): Promise<Batch> {
    const { run, epoch, step, ticket } = at;
    const slot = this.#ring.slotOf(ticket);
    if (this.#held.has(slot)) {
      const count = this.#ring.slots.length;
      throw new Error(
        `step ${step} needs memory that an earlier batch still holds: release() each within ${count} batches`,
      );
    }
    const started = performance.now();
    await this.#workers.until(() => run !== this.#run || this.#ready.has(ticket));
    if (run !== this.#run) throw replaced(epoch, step);
    const waitMs = performance.now() - started;
    const bad = this.#ready.get(ticket)!;
    this.#ready.delete(ticket);
    this.#held.add(slot);
    const { batchSize, onBad } = this.#options;
    const size = Math.min(batchSize / this.#part.size, this.#length - step * batchSize);
    if (bad.length > 0) onBad?.({ epoch, step, bad });
    // In the order of the batches, so that reports and a stop for too many bad samples come the same way every time.
    this.#quarantine.record(size, bad);
    return {
      epoch,
      step,
      size,
      ...this.#views(slot, size),
      bad,
      waitMs,
      release: this.#releaser({ run, ticket, slot }),
    };
  }

  #views(slot: number, size: number): Pick<Batch, "ids" | "images" | "tokens"> {
    const { ids, images, tokens } = this.#ring.slots[slot]!;
    const { image, contextLength } = this.#options;
    return {
      ids: ids.subarray(0, size),
      images: images.subarray(0, size * 3 * image.size * image.size),
      tokens: tokens.subarray(0, size * contextLength),
    };
  }

  #releaser({ run, ticket, slot }: { run: number; ticket: number; slot: number }): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#held.delete(slot);
      // A slot held over into another epoch is free for that epoch's first use of it.
      if (run === this.#run) this.#ring.free(slot, ticket + this.#ring.slots.length);
      else this.#ring.free(slot);
    };
  }
}

function replaced(epoch: number, step: number): Error {
  return new Error(`epoch ${epoch} ended at step ${step}, because another epoch was started`);
}
