// How a loader runs ahead, ends, fails, and is refused.
import { unlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Dataset, openDataset } from "../dataset.ts";
import { temporaryFolder, writeShards } from "../shards.fixture.ts";
import { batches, byIds, copy, good, image, load } from "./loader.fixture.ts";
import type { Batch } from "./loader.ts";

test("batches that cannot be shared evenly are refused", () => {
  expect(() => load({ part: { rank: 0, size: 3 } })).toThrow("a batch of 8 cannot be shared evenly by 3 processes");
  expect(() => load({ part: { rank: 0, size: 2 }, dropLast: false })).toThrow("processes can share full batches only");
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
