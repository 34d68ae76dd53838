// The configured data: the data set, how its pictures are prepared, and the loader.
import { type Dataset, openDataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ImageSettings } from "../data/image/transform.ts";
import { createLoader, type Loader } from "../data/loader.ts";
import type { Order } from "../data/plan.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { ModelConfig } from "../models/index.ts";
import { resolveBatch } from "./batch.ts";
import type { Config } from "./config/types.ts";

export interface DataContext {
  readonly config: Config;
  readonly onFault: (fault: Fault) => void;
  /** Told in sentences what is done where it takes long. */
  readonly onMessage?: (message: string) => void;
  /** The processes that open the data together; by default this one alone. */
  readonly group?: ProcessGroup;
}

/** Opens the data of training or of evaluation. */
export function openConfigured(
  patterns: readonly string[],
  { config, onFault, onMessage, group }: DataContext,
): Promise<Dataset> {
  const { captionKey, maxBadRate, shuffle, imageColumn, captionColumn, cacheDir, cacheSize } = config.data;
  return openDataset({
    shards: patterns,
    maxBadRate,
    onFault,
    cache: cacheDir,
    cacheSize: cacheSize * 1e9,
    whole: shuffle === "window" && patterns === config.data.train,
    columns: { imageColumn, captionColumn },
    ...(captionKey && { captionKey }),
    ...(onMessage && { onMessage }),
    ...(group && { part: { rank: group.rank, size: group.size } }),
  });
}

/** The loader of a training run: shuffled, and only full batches, of which each process has an equal part. */
export function openTrainLoader(
  dataset: Dataset,
  { config, onFault, group, model }: DataContext & { group: ProcessGroup; model: ModelConfig },
): Loader {
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
    order: orderOf(dataset, config),
    factors: config.data.upsampling,
    dropLast: true,
    maxBadRate: config.data.maxBadRate,
    onFault,
  });
}

/** "auto" goes through shards by windows where samples cannot be had without the whole shard. */
function orderOf({ table }: Dataset, { data }: Config): Order {
  const byShards = table.segments.some((segment) => segment.kind === "shard" && segment.file.copied);
  const isWindow = data.shuffle === "window" || (data.shuffle === "auto" && byShards && data.upsampling === undefined);
  return isWindow ? { kind: "window", segments: data.shuffleWindow } : { kind: "global" };
}
