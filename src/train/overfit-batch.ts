// A few pairs of the configured training data, all different, for a batch to be learned by heart.
import type { Fault } from "../data/faults.ts";
import { type Batch, createLoader } from "../data/loader/loader.ts";
import type { ModelConfig } from "../models/index.ts";
import type { Config } from "./config/types.ts";
import { openConfigured } from "./data.ts";
import { rowKeys } from "./repeats.ts";
import { Resources } from "./resources.ts";

/** Pairs in memory, as `inputsOf` takes them; ids count from 0. */
export type Pairs = Pick<Batch, "ids" | "images" | "tokens" | "size">;

export interface Chosen {
  readonly pairs: Pairs;
  /** Pairs that were looked at. */
  readonly seen: number;
}

const most = 16;
const lookedAt = 64;

/**
 * Reads the first pairs of the run's first epoch, without random changes to the pictures, and takes up to 16 whose caption and whose
 * picture no earlier one has: equal ones cannot be told apart by any training.
 */
export async function chooseDifferent(config: Config, { vision_cfg, text_cfg }: ModelConfig): Promise<Chosen> {
  const { mean, std } = config.data.aug;
  const { maxBadRate, workers } = config.data;
  const resources = new Resources();
  const onFault = (_: Fault): void => {}; // the run itself will tell
  try {
    const dataset = resources.add(await openConfigured(config.data.train, { config, onFault }));
    const loader = resources.add(
      createLoader({
        dataset,
        batchSize: Math.min(lookedAt, dataset.size),
        workers,
        seed: config.run.seed,
        image: { mode: "eval", size: vision_cfg.image_size, mean, std },
        contextLength: text_cfg.context_length,
        prefetch: 1,
        order: { kind: "global" },
        dropLast: true,
        maxBadRate,
      }),
    );
    for await (const batch of loader.epoch(0, { endStep: 1 })) return { pairs: takeDifferent(batch), seen: batch.size };
    throw new Error("the training data holds no pair");
  } finally {
    await resources.close();
  }
}

/** Copies, since the batch's memory is the loader's. */
function takeDifferent({ images, tokens, size }: Batch): Pairs {
  const [pictures, captions] = [rowKeys(images, size), rowKeys(tokens, size)];
  const isFirst = (keys: readonly string[], row: number): boolean => keys.indexOf(keys[row]!) === row;
  const rows = pictures.map((_, row) => row).filter((row) => isFirst(pictures, row) && isFirst(captions, row));
  const chosen = rows.slice(0, most);
  const take = <T extends Float32Array | Int32Array>(from: T, into: (length: number) => T): T => {
    const width = from.length / size;
    const taken = into(chosen.length * width);
    for (const [i, row] of chosen.entries()) taken.set(from.subarray(row * width, (row + 1) * width), i * width);
    return taken;
  };
  return {
    ids: BigInt64Array.from(chosen, (_, i) => BigInt(i)),
    images: take(images, (length) => new Float32Array(length)),
    tokens: take(tokens, (length) => new Int32Array(length)),
    size: chosen.length,
  };
}
