import { expect, test } from "vitest";
import type { Fault } from "../faults.ts";
import { openPicture } from "../image/decode.ts";
import { createTransform } from "../image/transform.ts";
import { createPlan } from "../plan/plan.ts";
import { createTokenizer } from "../tokenizer/tokenizer.ts";
import {
  badIds,
  batches,
  byIds,
  contextLength,
  copy,
  good,
  idsOf,
  image,
  load,
  shuffled,
  spotted,
} from "./loader.fixture.ts";
import type { Batch } from "./loader.ts";

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

test("fewer good samples than a batch needs are an error", async () => {
  const loader = load({ dataset: spotted, batchSize: 36 });
  await expect(batches(loader, 0)).rejects.toThrow("the 40 samples do not hold 36 good ones for a batch");
});

test("too many bad samples stop the loader", async () => {
  const loader = load({ dataset: spotted, maxBadRate: 0.002 });
  await expect(batches(loader, 0)).rejects.toThrow(/too many bad samples: \d of \d+ .* where maxBadRate allows 0.2 %/);
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
