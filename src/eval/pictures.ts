// The pictures of a data set as features, each encoded by one of the processes, in the order of their ids.
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ImageSettings } from "../data/image/transform.ts";
import { type Batch, createLoader, type LoaderOptions } from "../data/loader/loader.ts";
import { BatchQuarantine } from "../data/quarantine.ts";
import { SampleReader } from "../data/samples.ts";
import { gatherJson, gatherParts, gatherRows } from "../distributed/gather.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { fromBuffer, scope, type Tensor } from "../tensor/index.ts";
import { type Compute, collect, type Encoder, unitFeatures } from "./encode.ts";
import { indexTensor } from "./index-tensor.ts";
import { partOf, traffic } from "./part.ts";

export interface PictureOptions extends Compute {
  model: Encoder;
  dataset: Dataset;
  contextLength: number;
  image: Pick<ImageSettings, "size" | "mean" | "std">;
  batchSize: number;
  /** Threads of this process that decode pictures. */
  workers: number;
  /** Share of damaged samples above which it stops; default 0.01. */
  maxBadRate?: number | undefined;
  /** Every process is told of all damaged samples. */
  onFault?: ((fault: Fault) => void) | undefined;
}

/** The N samples that could be read, by ascending id. */
export interface Pictures {
  /** [N] */
  readonly ids: readonly number[];
  /** [N, d], float32, unit norm. */
  readonly images: Tensor;
  /** [N, contextLength]: the ids of the captions' tokens. */
  readonly tokens: Int32Array;
}

/** How it is done by these processes. */
interface Work extends PictureOptions {
  readonly group: ProcessGroup;
  /** Told how many of this process' pictures are done. */
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Encodes the pictures; damaged ones are left out. A process takes a part of the batches, which are the same ones for any number of
 * processes, and gets what all have.
 */
export async function encodePictures(work: Work): Promise<Pictures> {
  const { group } = work;
  const seen: Seen = { ids: [], tokens: [], bad: [] };
  const images = await gatherParts(group, { name: traffic, part: () => collect(pictureBatches(work, seen)) });
  try {
    const all = gatherJson(group, { value: { ids: seen.ids, bad: seen.bad }, name: traffic });
    // A single process' loader has done so already.
    if (group.size > 1) recordFaults(new Map(all.flatMap(({ bad }) => bad)), work);
    return { ids: all.flatMap(({ ids }) => ids), images, tokens: gatherTokens(seen, work) };
  } catch (error) {
    images.free();
    throw error;
  }
}

/** What the loader gave beside the pictures. */
interface Seen {
  readonly ids: number[];
  /** A row of [contextLength] for each id. */
  readonly tokens: Int32Array[];
  /** What was left out, by step. */
  readonly bad: [step: number, samples: Batch["bad"]][];
}

async function* pictureBatches(work: Work, seen: Seen): AsyncGenerator<Tensor> {
  const { group, dataset, contextLength, onProgress } = work;
  const batchSize = batchSizeOf(work);
  const { start, end } = partOf(Math.ceil(dataset.size / batchSize), group);
  if (start === end) return;
  const first = start * batchSize;
  const total = Math.min(end * batchSize, dataset.size) - first;
  const loader = createLoader(loaderOptions(work));
  try {
    for await (const batch of loader.epoch(0, { startStep: start, endStep: end })) {
      const rows = wholeRows(batch, batch.step * batchSize);
      try {
        if (rows.length > 0) yield encodeRows(batch, { ...work, rows });
        for (const row of rows) {
          seen.ids.push(Number(batch.ids[row]!));
          seen.tokens.push(batch.tokens.slice(row * contextLength, (row + 1) * contextLength));
        }
        if (batch.bad.length > 0) seen.bad.push([batch.step, batch.bad]);
      } finally {
        batch.release();
      }
      onProgress(batch.step * batchSize + batch.size - first, total);
    }
  } finally {
    await loader.close();
  }
}

/** The loader puts a sample of another batch in the place of a damaged one, so there has to be another batch. */
function batchSizeOf({ batchSize, dataset }: PictureOptions): number {
  return Math.min(batchSize, Math.ceil(dataset.size / 2));
}

function loaderOptions(work: Work): LoaderOptions {
  const { group, dataset, image, contextLength, workers, maxBadRate, onFault } = work;
  return {
    dataset,
    batchSize: batchSizeOf(work),
    workers,
    contextLength,
    image: { size: image.size, mean: image.mean, std: image.std, mode: "eval" },
    seed: 0,
    order: { kind: "ids" },
    dropLast: false,
    ...(maxBadRate === undefined ? {} : { maxBadRate }),
    ...(onFault && group.size === 1 ? { onFault } : {}),
    // A part of the data may have more than its share of the bad samples: it stops only where the whole would.
    ...(group.size > 1 ? { leastTried: dataset.size } : {}),
  };
}

/** Counts and reports what all processes have left out, as the loader of a single one does. */
function recordFaults(badOfStep: ReadonlyMap<number, Batch["bad"]>, work: Work): void {
  const { dataset, maxBadRate = 0.01, onFault } = work;
  const quarantine = new BatchQuarantine(dataset.size, { maxBadRate, onFault });
  const batchSize = batchSizeOf(work);
  for (let start = 0; start < dataset.size; start += batchSize)
    quarantine.record(Math.min(batchSize, dataset.size - start), badOfStep.get(start / batchSize) ?? []);
}

function gatherTokens({ tokens }: Seen, { group, contextLength }: Work): Int32Array {
  const own = new Int32Array(tokens.length * contextLength);
  for (const [row, values] of tokens.entries()) own.set(values, row * contextLength);
  if (group.size === 1) return own;
  return scope(() => {
    const rows = fromBuffer(own, { shape: [tokens.length, contextLength] });
    return gatherRows(group, { rows, name: traffic }).data() as Int32Array;
  });
}

/** Rows that hold the sample that stands there in the order of the ids, and not one in the place of a damaged one. */
function wholeRows({ ids, size }: Batch, start: number): number[] {
  return Array.from({ length: size }, (_, row) => row).filter((row) => Number(ids[row]!) === start + row);
}

function encodeRows(batch: Batch, options: PictureOptions & { rows: readonly number[] }): Tensor {
  const { model, dataset, image, rows, device = "cpu" } = options;
  const encode = () => {
    const images = fromBuffer(batch.images, { shape: [batch.size, 3, image.size, image.size] }).toDevice(
      device,
      "float32",
    );
    return model.encodeImage(rows.length === batch.size ? images : images.indexSelect(0, indexTensor(rows, device)));
  };
  return unitFeatures(encode, {
    compute: options,
    name: (i) => nameSample(dataset, Number(batch.ids[rows[i]!]!), "picture"),
  });
}

/** What to call a part of a sample in an error. */
export function nameSample(dataset: Dataset, id: number, part: "picture" | "caption"): string {
  return `the ${part} of sample ${new SampleReader(dataset.table).key(id)} (id ${id})`;
}
