// The whole of a data set, read as training would read it.
import { type Dataset, type DatasetOptions, openDataset } from "../dataset.ts";
import type { Fault, FaultCause, FaultCounts } from "../faults.ts";
import { countedAtLeast, withoutCount } from "../quarantine.ts";
import { allocateColumns } from "./columns.ts";
import { contentOf } from "./content.ts";
import type { CheckReport, FaultReport } from "./report.ts";
import { measureAll } from "./threads.ts";

/** Of several captions the first is looked at. */
export interface CheckOptions extends Omit<DatasetOptions, "onFault" | "onProgress"> {
  readonly workers: number;
  readonly batchSize: number;
  readonly contextLength: number;
  /** Side of the model's input in pixels. */
  readonly imageSize: number;
  /** Share of bad samples above which training would stop. All of them are reported, however many there are. */
  readonly maxBadRate: number;
  /** Told of everything that training leaves out, in the order of the shards: first what is no sample, then what is damaged. */
  readonly onFault?: (fault: Fault) => void;
  readonly onProgress?: (done: number, size: number) => void;
}

/** Messages of a cause that the report holds. */
const shownOfCause = 3;

/**
 * Reads, decodes and tokenizes every sample, and reports what there is. The report does not depend on the number of threads. Holds some 120
 * bytes and the key for a sample (index and columns), and sorts copies of single columns.
 *
 * @throws when no sample is found at all, or a shard cannot be read.
 */
export async function checkData(options: CheckOptions): Promise<CheckReport> {
  const { workers, batchSize, contextLength, imageSize, maxBadRate, onFault, onProgress } = options;
  const tally = new Tally(onFault);
  const { dataset, problem } = await openAll(options, (fault) => tally.add(fault));
  try {
    const { size, table, shards } = dataset;
    const columns = allocateColumns(size);
    let bad = 0;
    for await (const { done, faults } of measureAll({ table, columns, contextLength, size, workers })) {
      for (const fault of faults) tally.add(fault);
      bad += faults.length;
      onProgress?.(done, size);
    }
    const content = await contentOf({ table, columns, batchSize, contextLength, imageSize });
    const problems = [problem, tooManyBad({ bad, size, maxBadRate }), tooFew({ size, batchSize })];
    return {
      shards: shards.length,
      samples: size - bad,
      faults: tally.report,
      content,
      problems: problems.filter((text) => text !== undefined),
    };
  } finally {
    dataset.close();
  }
}

/** Opens the data set as training would; where that refuses it for its faults, says why and opens it all the same. */
async function openAll(
  { onFault: _, onProgress: __, ...options }: CheckOptions,
  onFault: (fault: Fault) => void,
): Promise<{ dataset: Dataset; problem: string | undefined }> {
  const held: Fault[] = [];
  const report = (fault: Fault): void => onFault({ ...fault, message: withoutCount(fault.message) });
  try {
    const dataset = await openDataset({ ...options, onFault: (fault) => held.push(fault) });
    for (const fault of held) report(fault);
    return { dataset, problem: undefined };
  } catch (error) {
    const dataset = await openDataset({ ...options, maxBadRate: 1, onFault: report });
    return { dataset, problem: (error as Error).message };
  }
}

/** The loader's rule, after a whole epoch. */
function tooManyBad(read: { bad: number; size: number; maxBadRate: number }): string | undefined {
  const { bad, size, maxBadRate } = read;
  const allowed = Math.floor(maxBadRate * countedAtLeast(size));
  if (bad <= allowed) return undefined;
  return `too many bad samples: ${bad} of ${size} cannot be read, and --max-bad-rate ${maxBadRate} allows ${allowed}`;
}

function tooFew({ size, batchSize }: { size: number; batchSize: number }): string | undefined {
  return size < batchSize ? `there are ${size} pairs, fewer than one batch of ${batchSize} (--batch-size)` : undefined;
}

/** Counts faults and keeps the first of each cause. */
class Tally {
  readonly #counts: FaultCounts = {};
  readonly #examples: Partial<Record<FaultCause, readonly string[]>> = {};
  readonly #onFault: ((fault: Fault) => void) | undefined;

  constructor(onFault: ((fault: Fault) => void) | undefined) {
    this.#onFault = onFault;
  }

  get report(): FaultReport {
    return { counts: this.#counts, examples: this.#examples };
  }

  add(fault: Fault): void {
    this.#onFault?.(fault);
    this.#counts[fault.cause] = (this.#counts[fault.cause] ?? 0) + 1;
    const examples = this.#examples[fault.cause] ?? [];
    if (examples.length < shownOfCause) this.#examples[fault.cause] = [...examples, fault.message];
  }
}
