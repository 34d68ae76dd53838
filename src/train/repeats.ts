// Captions that stand in a batch more than once: each counts as a negative of a picture that it describes.
import type { Batch } from "../data/loader/loader.ts";
import type { TrainRecord } from "../telemetry/metrics.ts";

/** The share of a batch's captions, or of this process' part of it, that another pair of it has too, 0..1. */
export function repeatedShare({ tokens, size }: Pick<Batch, "tokens" | "size">): number {
  const counts = new Map<string, number>();
  for (const key of rowKeys(tokens, size)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const repeated = [...counts.values()].filter((count) => count > 1).reduce((sum, count) => sum + count, 0);
  return repeated / size;
}

/** One string for each of `count` rows of equal length, equal where the rows are. */
export function rowKeys(rows: Int32Array | Float32Array, count: number): string[] {
  const width = rows.byteLength / count;
  const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
  return Array.from({ length: count }, (_, row) => bytes.toString("latin1", row * width, (row + 1) * width));
}

/** Captions that are looked at before their share says something. */
const enough = 1000;
/** A larger share is told: so many pairs have a false negative beside them. */
const tolerated = 0.05;

/** Takes the share over as many logged batches as hold `enough` captions, again and again. */
export class RepeatCount {
  #captions = 0;
  #repeated = 0;

  look({
    noInformation,
    repeatedCaptions,
  }: Pick<TrainRecord, "noInformation" | "repeatedCaptions">): string | undefined {
    if (repeatedCaptions === undefined) return undefined;
    const batch = Math.round(Math.exp(noInformation));
    this.#captions += batch;
    this.#repeated += batch * repeatedCaptions;
    if (this.#captions < enough) return undefined;
    const share = this.#repeated / this.#captions;
    this.#captions = this.#repeated = 0;
    if (share <= tolerated) return undefined;
    return (
      `${(100 * share).toPrecision(2)} % of the captions stand in their batch more than once, so that a picture's own caption is also ` +
      "counted as a wrong one of it; leave copies out of the data, or write captions that say more"
    );
  }
}
