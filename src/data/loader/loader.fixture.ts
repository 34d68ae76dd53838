// Data sets and loaders for the tests of the loader.
import sharp from "sharp";
import { afterAll, beforeAll } from "vitest";
import { type Dataset, openDataset } from "../dataset.ts";
import type { Order } from "../plan/plan.ts";
import { picture, temporaryFolder, writeShards } from "../shards.fixture.ts";
import type { TarEntry } from "../tar/write.ts";
import { type Batch, createLoader, type Loader, type LoaderOptions } from "./loader.ts";

export const contextLength = 16;
export const byIds: Order = { kind: "ids" };
export const shuffled: Order = { kind: "global" };
export const image: LoaderOptions["image"] = {
  size: 8,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  mode: "train",
  scale: [0.5, 1],
  horizontalFlip: 0.5,
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8 },
};

/** 50 good samples, every other with a JPEG. */
export let good: Dataset;
/** 40 samples, of which 5, 6, 7 and 30 have a damaged picture (6 is a JPEG with a good header), 20 a caption that is not UTF-8. */
export let spotted: Dataset;
export const badIds: readonly number[] = [5, 6, 7, 20, 30];
const loaders: Loader[] = [];

/** The sample with a JPEG in place of its PNG. */
function withJpeg([png, ...rest]: TarEntry[], jpeg: Buffer): TarEntry[] {
  return [{ name: png!.name.replace(/png$/, "jpg"), data: jpeg }, ...rest];
}

function spoil(entries: TarEntry[], seed: number, jpeg: Buffer): TarEntry[] {
  const [png, txt] = entries;
  if (seed === 6) return withJpeg(entries, jpeg.subarray(0, -30));
  if (seed === 20) txt!.data = Uint8Array.of(0xff);
  else if (badIds.includes(seed)) png!.data = png!.data.subarray(0, 100);
  return entries;
}

beforeAll(async () => {
  const toJpeg = async (seed: number): Promise<Buffer> =>
    sharp(await picture(seed, 20))
      .jpeg()
      .toBuffer();
  const jpegs = await Promise.all(Array.from({ length: 50 }, (_, seed) => toJpeg(seed)));
  const write = (options: Pick<Parameters<typeof writeShards>[0], "samples" | "change">): Promise<string> =>
    writeShards({ folder: temporaryFolder(), count: 2, ...options });
  const halfJpegs = (entries: TarEntry[], seed: number): TarEntry[] =>
    seed % 2 === 0 ? entries : withJpeg(entries, jpegs[seed]!);
  good = await openDataset({ shards: await write({ samples: 25, change: halfJpegs }) });
  const spoilt = (entries: TarEntry[], seed: number): TarEntry[] => spoil(entries, seed, jpegs[seed]!);
  spotted = await openDataset({ shards: await write({ samples: 20, change: spoilt }) });
});

afterAll(async () => {
  await Promise.all(loaders.map((loader) => loader.close()));
});

export function load(options: Partial<LoaderOptions> = {}): Loader {
  const defaults = {
    dataset: good,
    batchSize: 8,
    workers: 1,
    seed: 1,
    image,
    contextLength,
    order: shuffled,
    dropLast: true,
  };
  const loader = createLoader({ ...defaults, ...options });
  loaders.push(loader);
  return loader;
}

/** A copy of what a batch holds. */
export function copy({ epoch, step, size, ids, images, tokens }: Batch): object {
  return { epoch, step, size, ids: [...ids].map(Number), images: [...images], tokens: [...tokens] };
}

export async function batches(loader: Loader, epoch: number, startStep = 0): Promise<object[]> {
  const copies: object[] = [];
  for await (const batch of loader.epoch(epoch, { startStep })) {
    copies.push(copy(batch));
    batch.release();
  }
  return copies;
}

export async function idsOf(loader: Loader, epoch: number): Promise<number[]> {
  return (await batches(loader, epoch)).flatMap((batch) => (batch as { ids: number[] }).ids);
}
