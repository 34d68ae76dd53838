import type { SampleReader } from "../samples.ts";
import type { Part } from "./fill.ts";

/** Fetches segments before their samples are asked for: each thread its part of them, one after the other. */
export class Prefetcher {
  readonly #reader: SampleReader;
  readonly #thread: Part;
  readonly #asked = new Set<number>();
  #last: Promise<void> = Promise.resolve();

  constructor(reader: SampleReader, thread: Part) {
    this.#reader = reader;
    this.#thread = thread;
  }

  /** Segments that are wanted soon, the most urgent first. */
  want(segments: readonly number[]): void {
    const { rank, size } = this.#thread;
    for (const segment of segments) {
      if (segment % size !== rank || this.#asked.has(segment)) continue;
      this.#asked.add(segment);
      // Whoever reads the segment meets the same failure, and says so.
      this.#last = this.#last.then(() => this.#reader.prepare(segment)).catch(() => {});
    }
  }
}
