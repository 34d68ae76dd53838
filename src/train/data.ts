// The configured data: the data set, how its pictures are prepared, and the loader.
import { type Dataset, openDataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ImageSettings } from "../data/image/transform.ts";
import { createLoader, type Loader, type LoaderOptions } from "../data/loader.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { ModelConfig } from "../models/index.ts";
import { resolveBatch } from "./batch.ts";
import type { Config } from "./config/types.ts";

export interface DataContext {
  readonly config: Config;
  readonly onFault: (fault: Fault) => void;
}

/** Opens the shards of training or of evaluation. */
export function openConfigured(shards: readonly string[], { config, onFault }: DataContext): Promise<Dataset> {
  const { captionKey, maxBadRate } = config.data;
  return openDataset({ shards, maxBadRate, onFault, ...(captionKey === undefined ? {} : { captionKey }) });
}

interface TrainContext extends DataContext {
  readonly onBad: NonNullable<LoaderOptions["onBad"]>;
  readonly group: ProcessGroup;
  readonly model: ModelConfig;
}

/** The loader of a training run: shuffled, and only full batches, of which each process has an equal part. */
export function openTrainLoader(dataset: Dataset, { config, onFault, onBad, group, model }: TrainContext): Loader {
  const { seed } = config.run;
  const { batchSize } = resolveBatch(config);
  if (dataset.size < batchSize)
    throw new Error(`the training data has ${dataset.size} pairs, fewer than one batch of ${batchSize} (--batch-size)`);
  if (batchSize % group.size !== 0)
    throw new Error(`a batch of ${batchSize} pairs (--batch-size) cannot be shared evenly by ${group.size} processes`);
  const image: ImageSettings = { mode: "train", size: model.vision_cfg.image_size, ...config.data.aug };
  return createLoader({
    dataset,
    batchSize,
    part: { rank: group.rank, size: group.size },
    seed,
    image,
    workers: config.data.workers,
    contextLength: model.text_cfg.context_length,
    shuffle: true,
    dropLast: true,
    maxBadRate: config.data.maxBadRate,
    onFault,
    onBad,
  });
}
