// The configured data: the data set, how its pictures are prepared, and the loader.
import { type Dataset, type DatasetOptions, openDataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ImageSettings } from "../data/image/transform.ts";
import { createLoader, type Loader, type LoaderOptions } from "../data/loader/loader.ts";
import type { Mix, Order } from "../data/plan/plan.ts";
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
  /** Told how many shards have an index. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What the configuration says of data that is opened. */
export function datasetOptions(patterns: readonly string[], { data }: Pick<Config, "data">): DatasetOptions {
  const { captionKey, maxBadRate, shuffle, imageColumn, captionColumn, cacheDir, cacheSize } = data;
  return {
    shards: patterns,
    maxBadRate,
    cache: cacheDir,
    cacheSize: cacheSize * 1e9,
    whole: shuffle === "window" && patterns === data.train,
    columns: { imageColumn, captionColumn },
    ...(captionKey && { captionKey }),
  };
}

/** Opens the data of training or of evaluation. */
export function openConfigured(
  patterns: readonly string[],
  { config, onFault, onMessage, group, onProgress }: DataContext,
): Promise<Dataset> {
  return openDataset({
    ...datasetOptions(patterns, config),
    onFault,
    ...(onMessage && { onMessage }),
    ...(onProgress && { onProgress }),
    ...(group && { part: { rank: group.rank, size: group.size } }),
  });
}

/** How training prepares its pictures. */
export function trainImage({ data }: Pick<Config, "data">, model: ModelConfig): ImageSettings {
  return { mode: "train", size: model.vision_cfg.image_size, ...data.aug };
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
  return createLoader({
    dataset,
    batchSize,
    part: { rank: group.rank, size: group.size },
    seed,
    image: trainImage(config, model),
    workers: config.data.workers,
    contextLength: model.text_cfg.context_length,
    order: orderOf(dataset, config),
    mix: mixOf(dataset, config),
    dropLast: true,
    maxBadRate: config.data.maxBadRate,
    onFault,
    onBad,
  });
}

/** "auto" goes through shards by windows where samples cannot be had without the whole shard. */
export function orderOf({ table }: Dataset, { data }: Config): Order {
  const byShards = table.segments.some((segment) => segment.kind === "shard" && segment.file.copied);
  const isWindow = data.shuffle === "window" || (data.shuffle === "auto" && byShards && data.upsampling === undefined);
  return isWindow ? { kind: "window", segments: data.shuffleWindow } : { kind: "global" };
}

/** How the patterns of the training data are mixed, where they are not each gone through once. */
export function mixOf({ patternStarts: starts }: Dataset, { data }: Config): Mix | undefined {
  return data.upsampling && { starts, factors: data.upsampling };
}
