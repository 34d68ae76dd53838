import { unlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Dataset, openDataset } from "../dataset.ts";
import type { Fault } from "../faults.ts";
import { openPicture } from "../image/decode.ts";
import { createTransform } from "../image/transform.ts";
import { createPlan, type Order } from "../plan/plan.ts";
import { picture, temporaryFolder, writeShards } from "../shards.fixture.ts";
import type { TarEntry } from "../tar/write.ts";
import { createTokenizer } from "../tokenizer/tokenizer.ts";
import { type Batch, createLoader, type Loader, type LoaderOptions } from "./loader.ts";

const contextLength = 16;
const byIds: Order = { kind: "ids" };
const shuffled: Order = { kind: "global" };
const image: LoaderOptions["image"] = {
  size: 8,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  mode: "train",
  scale: [0.5, 1],
  horizontalFlip: 0.5,
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8 },
};

/** 50 good samples, every other with a JPEG. */
let good: Dataset;
/** 40 samples, of which 5, 6, 7 and 30 have a damaged picture (6 is a JPEG with a good header), 20 a caption that is not UTF-8. */
let spotted: Dataset;
const badIds = [5, 6, 7, 20, 30];
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

function load(options: Partial<LoaderOptions> = {}): Loader {
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
function copy({ epoch, step, size, ids, images, tokens }: Batch): object {
  return { epoch, step, size, ids: [...ids].map(Number), images: [...images], tokens: [...tokens] };
}

async function batches(loader: Loader, epoch: number, startStep = 0): Promise<object[]> {
  const copies: object[] = [];
  for await (const batch of loader.epoch(epoch, { startStep })) {
    copies.push(copy(batch));
    batch.release();
  }
  return copies;
}

async function idsOf(loader: Loader, epoch: number): Promise<number[]> {
  return (await batches(loader, epoch)).flatMap((batch) => (batch as { ids: number[] }).ids);
}

test("order and pixels do not depend on the number of threads, and come again", async () => {
  const [one, three] = [load({ workers: 1 }), load({ workers: 3, prefetch: 1 })];
  const first = await batches(one, 0);
  expect(first).toHaveLength(6);
  expect(await batches(three, 0)).toEqual(first);
  expect(await batches(one, 0)).toEqual(first);
  expect(await batches(one, 4, 2)).toEqual((await batches(three, 4)).slice(2));
});

test("an epoch is the plan's order; every epoch has another", async () => {
  const loader = load({ dropLast: false });
  expect(loader.stepsPerEpoch).toBe(7);
  for (const epoch of [0, 1]) {
    const plan = createPlan({ starts: [0, 50], seed: 1, order: shuffled }, epoch);
    expect(await idsOf(loader, epoch)).toEqual(Array.from({ length: 50 }, (_, position) => plan.at(position)));
  }
});

test("the last batch may be smaller", async () => {
  const loader = load({ order: byIds, dropLast: false, batchSize: 20 });
  const sizes = (await batches(loader, 0)).map((batch) => {
    const { size, images, tokens } = batch as { size: number; images: number[]; tokens: number[] };
    expect([images.length, tokens.length]).toEqual([size * 3 * 64, size * contextLength]);
    return size;
  });
  expect(sizes).toEqual([20, 20, 10]);
});

test("the augmentation of a sample is another one every epoch", async () => {
  const loader = load({ order: byIds });
  const [first, second] = [await batches(loader, 0), await batches(loader, 1)] as {
    ids: number[];
    images: number[];
  }[][];
  expect(second![0]!.ids).toEqual(first![0]!.ids);
  expect(second![0]!.images).not.toEqual(first![0]!.images);
});

test("a batch holds its samples' pictures and captions", async () => {
  const settings = { ...image, mode: "eval" } as const;
  const tokenizer = createTokenizer({ contextLength });
  for await (const batch of load({ image: settings }).epoch(2)) {
    const id = Number(batch.ids[3]);
    const sample = await good.readSample(id);
    const pixels = new Float32Array(3 * 64);
    createTransform(settings)(await openPicture(sample.image), Math.random, pixels);
    expect(batch.images.subarray(3 * 192, 4 * 192)).toEqual(pixels);
    const row = new Int32Array(contextLength);
    tokenizer.encodeInto(sample.captions[0]!, row);
    expect(batch.tokens.subarray(3 * contextLength, 4 * contextLength)).toEqual(row);
    expect(batch.images.buffer).toBeInstanceOf(SharedArrayBuffer);
    batch.release();
  }
});

test("bad samples are replaced by those with their place in the next batch, named once, and the batch stays full", async () => {
  const run = async (workers: number): Promise<unknown> => {
    const faults: Fault[] = [];
    const loader = load({ dataset: spotted, workers, order: byIds, onFault: (fault) => faults.push(fault) });
    const first = await batches(loader, 0);
    const counts = loader.faults();
    await batches(loader, 1);
    expect(loader.faults()).toEqual(counts);
    return { ids: first.map((batch) => (batch as { ids: number[] }).ids), first, counts, faults };
  };
  const one = (await run(1)) as { ids: number[][]; counts: object; faults: Fault[] };
  expect(one.ids).toEqual([
    [0, 1, 2, 3, 4, 13, 14, 15],
    [8, 9, 10, 11, 12, 13, 14, 15],
    [16, 17, 18, 19, 28, 21, 22, 23],
    [24, 25, 26, 27, 28, 29, 38, 31],
    [32, 33, 34, 35, 36, 37, 38, 39],
  ]);
  expect(one.counts).toEqual({ "bad-picture": 4, "bad-caption": 1 });
  expect(one.faults.map(({ message }) => message)).toEqual([
    "shard-0.tar: 000005.png is cut off at byte 100; skipped (1 of 11 so far)",
    expect.stringMatching(/^shard-0.tar: 000006.jpg cannot be decoded: .*end.*; skipped \(2 of 11 so far\)$/),
    "shard-0.tar: 000007.png is cut off at byte 100; skipped (3 of 11 so far)",
    "shard-1.tar: 000020.txt is not UTF-8; skipped (4 of 28 so far)",
    "shard-1.tar: 000030.png is cut off at byte 100; skipped (5 of 37 so far)",
  ]);
  expect(await run(3)).toEqual(one);
});

test("the search for a replacement goes on at the start, and never repeats a sample", async () => {
  const loader = load({ dataset: spotted, batchSize: 35, order: shuffled });
  const ids = await idsOf(loader, 0);
  expect(ids).toHaveLength(35);
  expect(new Set(ids).size).toBe(35);
  expect(ids.filter((id) => badIds.includes(id))).toEqual([]);
});

test.each([2, 4, 8])(
  "%i processes have equal parts of the batches that one has, bad samples included",
  async (size) => {
    const whole = (await batches(load({ dataset: spotted, maxBadRate: 1 }), 1)) as {
      ids: number[];
      images: number[];
    }[];
    const ranks = Array.from({ length: size }, (_, rank) =>
      load({ dataset: spotted, maxBadRate: 1, part: { rank, size } }),
    );
    const parts = (await Promise.all(ranks.map((loader) => batches(loader, 1)))) as {
      ids: number[];
      images: number[];
    }[][];
    for (const [step, { ids, images }] of whole.entries()) {
      expect(parts.flatMap((part) => part[step]!.ids)).toEqual(ids);
      expect(parts.flatMap((part) => part[step]!.images)).toEqual(images);
    }
    expect(parts.every((part) => part.length === whole.length)).toBe(true);
  },
);

test("batches that cannot be shared evenly are refused", () => {
  expect(() => load({ part: { rank: 0, size: 3 } })).toThrow("a batch of 8 cannot be shared evenly by 3 processes");
  expect(() => load({ part: { rank: 0, size: 2 }, dropLast: false })).toThrow("processes can share full batches only");
});

test("fewer good samples than a batch needs are an error", async () => {
  const loader = load({ dataset: spotted, batchSize: 36 });
  await expect(batches(loader, 0)).rejects.toThrow("the 40 samples do not hold 36 good ones for a batch");
});

test("too many bad samples stop the loader", async () => {
  const loader = load({ dataset: spotted, maxBadRate: 0.002 });
  await expect(batches(loader, 0)).rejects.toThrow(/too many bad samples: \d of \d+ .* where maxBadRate allows 0.2 %/);
});

test("threads run ahead while the consumer's thread stands still", async () => {
  const loader = load({ prefetch: 3 });
  const epoch = loader.epoch(0)[Symbol.asyncIterator]();
  (await epoch.next()).value.release();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  const started = performance.now();
  for (let i = 0; i < 3; i++) await epoch.next();
  // The threads are at most three batches ahead, and those are there.
  expect(performance.now() - started).toBeLessThan(400);
  await epoch.return?.();
});

test("a consumer that keeps its batches gets an error, not a dead lock", async () => {
  const loader = load({ prefetch: 2 });
  const keep = async (): Promise<void> => {
    for await (const _ of loader.epoch(0));
  };
  await expect(keep()).rejects.toThrow(
    "step 3 needs memory that an earlier batch still holds: release() each within 3 batches",
  );
});

test("an epoch that is left early leaves nothing behind", async () => {
  const loader = load({ workers: 2 });
  const expected = await batches(loader, 1);
  let kept: Batch | undefined;
  for await (const batch of loader.epoch(0)) {
    if (batch.step === 2) {
      kept = batch;
      break;
    }
    batch.release();
  }
  const before = copy(kept!);
  const during: object[] = [];
  for await (const batch of loader.epoch(1)) {
    during.push(copy(batch));
    batch.release();
    // The batch kept from the epoch before stays whole until it is released.
    if (batch.step === 1) expect(copy(kept!)).toEqual(before);
    if (batch.step === 1) kept!.release();
  }
  expect(during).toEqual(expected);
});

test("a new epoch ends the one before it", async () => {
  const loader = load();
  const old = loader.epoch(0)[Symbol.asyncIterator]();
  (await old.next()).value.release();
  await batches(loader, 1);
  await expect(old.next()).rejects.toThrow("epoch 0 ended at step 1, because another epoch was started");
});

test("fifty short epochs take no more memory than ten", async () => {
  const loader = load({ workers: 2 });
  const run = async (from: number, to: number): Promise<void> => {
    for (let epoch = from; epoch < to; epoch++) for await (const batch of loader.epoch(epoch)) batch.release();
  };
  await run(0, 10);
  const before = process.memoryUsage().rss;
  await run(10, 50);
  expect(process.memoryUsage().rss - before).toBeLessThan(40e6);
});

test("a thread that dies is an error", async () => {
  const loader = load({ dataset: { ...good, table: null as unknown as Dataset["table"] }, workers: 2 });
  await expect(batches(loader, 0)).rejects.toThrow(/loader thread \d of 2 died: Cannot read properties of null/);
  await loader.close();
});

test("a shard that is changed or lost in the middle is an error", async () => {
  const folder = temporaryFolder();
  const dataset = await openDataset({ shards: await writeShards({ folder, count: 2, samples: 8 }) });
  utimesSync(join(folder, "shard-1.tar"), 1, 1);
  const loader = load({ dataset, order: byIds });
  await expect(batches(loader, 0)).rejects.toThrow(
    "shard-1.tar was changed while it was in use; open the data set again",
  );
  unlinkSync(join(folder, "shard-1.tar"));
  await expect(batches(load({ dataset }), 0)).rejects.toThrow(/no such file.*shard-1\.tar/);
});

test("a closed loader says so, also to who waits", async () => {
  const loader = load();
  const waiting = batches(loader, 0);
  const closed = loader.close();
  await expect(waiting).rejects.toThrow("the loader is closed");
  await closed;
  await expect(batches(loader, 0)).rejects.toThrow("the loader is closed");
});

test("options that make no sense are refused at once", () => {
  expect(() => load({ batchSize: 51 })).toThrow("a batch of 51 cannot be filled from a data set of 50 samples");
  expect(() => load({ workers: 0 })).toThrow("workers must be a whole number, at least 1, but is 0");
  expect(() => load({ seed: -1 })).toThrow("seed must be a whole number, at least 0, but is -1");
  expect(() => load({ image: { ...image, size: -1 } })).toThrow("size must be a whole number");
});

test("an epoch or step that does not exist is refused", async () => {
  const loader = load();
  await expect(batches(loader, -1)).rejects.toThrow("epoch must be a whole number from 0, but is -1");
  await expect(batches(loader, 0, 7)).rejects.toThrow("startStep must be a whole number from 0 to 6, but is 7");
  expect(await batches(loader, 0, 6)).toEqual([]);
  const backwards = loader.epoch(0, { startStep: 3, endStep: 2 })[Symbol.asyncIterator]().next();
  await expect(backwards).rejects.toThrow("endStep must be a whole number from 3 to 6, but is 2");
});

test("an epoch in parts, each by a loader of its own, is the epoch, bad samples included", async () => {
  const settings = { dataset: spotted, order: byIds };
  const part = async (steps: { startStep?: number; endStep?: number }) => {
    const found: { batch: object; bad: Batch["bad"] }[] = [];
    for await (const batch of load(settings).epoch(0, steps)) {
      found.push({ batch: copy(batch), bad: batch.bad });
      batch.release();
    }
    return found;
  };
  const whole = await part({});
  const parts = [await part({ endStep: 2 }), await part({ startStep: 2, endStep: 3 }), await part({ startStep: 3 })];
  expect(whole).toHaveLength(5);
  expect(parts.flat()).toEqual(whole);
  const left = whole.flatMap(({ bad }) => bad.map(({ id }) => id));
  expect([...new Set(left)].sort((a, b) => a - b)).toEqual(badIds);
});

test("the share of bad samples can be taken of more samples", async () => {
  const run = (leastTried: number) => batches(load({ dataset: spotted, maxBadRate: 0.002, leastTried }), 0);
  await expect(run(40)).rejects.toThrow("too many bad samples: 3 of");
  await expect(run(2500)).resolves.toHaveLength(5);
});

test("a consumer that computes all the time still learns of signals and timers", async () => {
  const loader = load({ batchSize: 2, workers: 2, prefetch: 6 });
  let [turns, steps, most] = [0, 0, 0];
  const timer = setInterval(() => {
    turns++;
    steps = 0;
  }, 1);
  for (let epoch = 0; epoch < 3; epoch++) {
    for await (const batch of loader.epoch(epoch)) {
      const end = performance.now() + 20;
      while (performance.now() < end);
      steps++;
      most = Math.max(most, steps);
      batch.release();
    }
  }
  clearInterval(timer);
  // A timer that is due is told of before the second step from then on.
  expect(most).toBeLessThanOrEqual(2);
  expect(turns).toBeGreaterThan(35);
});
