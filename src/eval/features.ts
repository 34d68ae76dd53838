// A data set as features: every picture and caption of it, encoded in the order of their ids.
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ImageSettings } from "../data/image/transform.ts";
import { type Batch, createLoader, type Loader } from "../data/loader.ts";
import { SampleReader } from "../data/samples.ts";
import { fromBuffer, type Tensor } from "../tensor/index.ts";
import { type Compute, collect, type Encoder, encodeTexts, inEvalMode, unitFeatures } from "./encode.ts";
import { indexTensor } from "./index-tensor.ts";

/** How far an evaluation is. */
interface Progress {
  readonly stage: "pictures" | "captions" | "class names";
  readonly done: number;
  readonly total: number;
}

export interface FeatureOptions extends Compute {
  model: Encoder;
  dataset: Dataset;
  contextLength: number;
  image: Pick<ImageSettings, "size" | "mean" | "std">;
  batchSize: number;
  /** Threads that decode pictures. */
  workers: number;
  /** Whether captions are encoded; default true. */
  captions?: boolean;
  /** Share of damaged samples above which it stops; default 0.01. */
  maxBadRate?: number | undefined;
  onFault?: ((fault: Fault) => void) | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Features of the N samples that could be read, by ascending id. Whoever asked for them frees them. */
export interface Features {
  /** [N] */
  readonly ids: readonly number[];
  /** [N, d], float32, unit norm. */
  readonly images: Tensor;
  /** [N, d], float32, unit norm; absent when captions were not asked for. */
  readonly texts: Tensor | undefined;
}

/**
 * Encodes a data set in evaluation mode and without gradient; the model's mode is put back. The order is that of the ids,
 * whatever the number of threads; damaged samples are left out.
 */
export async function encodeDataset(options: FeatureOptions): Promise<Features> {
  const { model, captions = true } = options;
  const seen: Seen = { ids: [], tokens: [] };
  return inEvalMode(model, async () => {
    const loader = openLoader(options);
    const images = await collect(pictureBatches(loader, { ...options, seen })).finally(() => loader.close());
    try {
      const texts = captions ? await encodeCaptions(seen, options) : undefined;
      return { ids: seen.ids, images, texts };
    } catch (error) {
      images.free();
      throw error;
    }
  });
}

/** What the loader gave beside the pictures. */
interface Seen {
  readonly ids: number[];
  /** A row of [contextLength] for each id. */
  readonly tokens: Int32Array[];
}

function openLoader(options: FeatureOptions): Loader {
  const { dataset, image, contextLength, workers, maxBadRate, onFault } = options;
  return createLoader({
    dataset,
    // The loader puts a sample of another batch in the place of a damaged one, so there has to be another batch.
    batchSize: Math.min(options.batchSize, Math.ceil(dataset.size / 2)),
    workers,
    contextLength,
    image: { size: image.size, mean: image.mean, std: image.std, mode: "eval" },
    seed: 0,
    shuffle: false,
    dropLast: false,
    ...(maxBadRate === undefined ? {} : { maxBadRate }),
    ...(onFault ? { onFault } : {}),
  });
}

async function* pictureBatches(loader: Loader, options: FeatureOptions & { seen: Seen }): AsyncGenerator<Tensor> {
  const { dataset, onProgress, seen } = options;
  let position = 0;
  for await (const batch of loader.epoch(0)) {
    try {
      const rows = wholeRows(batch, position);
      position += batch.size;
      if (rows.length > 0) yield encodePictures(batch, { ...options, rows });
      for (const row of rows) {
        seen.ids.push(Number(batch.ids[row]!));
        seen.tokens.push(batch.tokens.slice(row * options.contextLength, (row + 1) * options.contextLength));
      }
    } finally {
      batch.release();
    }
    onProgress?.({ stage: "pictures", done: position, total: dataset.size });
  }
}

/** Rows that hold the sample that stands there in the order of the ids, and not one in the place of a damaged one. */
function wholeRows({ ids, size }: Batch, start: number): number[] {
  return Array.from({ length: size }, (_, row) => row).filter((row) => Number(ids[row]!) === start + row);
}

function encodePictures(batch: Batch, options: FeatureOptions & { rows: readonly number[] }): Tensor {
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

async function encodeCaptions({ ids, tokens }: Seen, options: FeatureOptions): Promise<Tensor> {
  const { dataset, contextLength, onProgress } = options;
  const all = new Int32Array(tokens.length * contextLength);
  for (const [row, values] of tokens.entries()) all.set(values, row * contextLength);
  return encodeTexts({
    ...options,
    tokens: all,
    name: (row) => nameSample(dataset, ids[row]!, "caption"),
    onProgress: (done) => onProgress?.({ stage: "captions", done, total: ids.length }),
  });
}

function nameSample(dataset: Dataset, id: number, part: string): string {
  return `the ${part} of sample ${new SampleReader(dataset.table).key(id)} (id ${id})`;
}
