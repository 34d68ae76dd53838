import { expect, test } from "vitest";
import type { FlagValues } from "../config/layers.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { chooseMicroBatch, explainOutOfMemory } from "./fit.ts";
import { memoryEstimate } from "./memory.ts";

const configured = (flags: FlagValues): Config =>
  loadConfig({ flags: { "train-data": "unused.tar", precision: "fp32", ...flags } });

const automatic = configured({ "batch-size": "192", "micro-batch": "auto" });

test("auto takes the largest divisor of the batch that leaves a fifth of the memory free", () => {
  const chosen = [5e9, 6e9, 8e9, 60e9].map((available) => chooseMicroBatch(automatic, { available }));
  expect(chosen.every((pairs) => 192 % pairs === 0)).toBe(true);
  expect(chosen).toEqual([...chosen].sort((a, b) => a - b));
  expect(chosen.at(-1)).toBe(192);
  const [least] = chosen as [number];
  const needed = (microBatch: number): number => {
    const { total, program } = memoryEstimate(automatic, { microBatch });
    return total - program;
  };
  expect(needed(least)).toBeLessThanOrEqual(0.8 * 5e9);
  const next = [2, 3, 4].map((factor) => factor * least).find((pairs) => 192 % pairs === 0)!;
  expect(needed(next)).toBeGreaterThan(0.8 * 5e9);
});

test("auto shares the batch among the processes first", () => {
  expect(chooseMicroBatch(automatic, { available: 60e9, processes: 4 })).toBe(48);
});

test("what is configured is taken as it is, within a process's part", () => {
  const config = configured({ "batch-size": "64", "micro-batch": "16" });
  expect(chooseMicroBatch(config, { available: 1 })).toBe(16);
  expect(chooseMicroBatch(config, { available: 1, processes: 8 })).toBe(8);
  expect(chooseMicroBatch(configured({ "batch-size": "64" }), { available: 1 })).toBe(64);
});

test("a model that does not fit at all is refused with what to lower", () => {
  expect(() => chooseMicroBatch(automatic, { available: 1e9 })).toThrow(
    /^--micro-batch auto: even single pairs of ViT-B-32 at a batch of 192 need about [\d.]+ GB, but of the 1\.00 GB .*--batch-size.*--model$/,
  );
});

const outOfMemory = new Error("out of memory: could not allocate 1000 bytes for a CPU tensor");
const explained = (error: unknown, microBatch: number, flags: FlagValues = {}): string | undefined =>
  explainOutOfMemory(error, { config: configured(flags), microBatch });

test("an allocation that failed names the setting to lower", () => {
  expect(explained(outOfMemory, 64)).toBe(
    `${outOfMemory.message}; the towers run 64 pairs at once: lower --micro-batch, which does not change the result, or turn on --grad-checkpointing`,
  );
  expect(explained(outOfMemory, 64, { model: "RN50", "grad-checkpointing": true })).toBe(
    `${outOfMemory.message}; the towers run 64 pairs at once: lower --micro-batch, which changes nothing but the statistics of batch norm`,
  );
  expect(explained(outOfMemory, 1, { "batch-size": "512" })).toBe(
    `${outOfMemory.message}; the towers run single pairs already: lower the batch of 512 pairs (--batch-size) or take a smaller --model than ViT-B-32`,
  );
});

test("so does the loader's memory, which JavaScript refuses with an error of its own", () => {
  const tooLarge = [() => new SharedArrayBuffer(2 ** 52), () => new Float32Array(2 ** 52)];
  const errors = tooLarge.map((allocate) => {
    try {
      return allocate();
    } catch (error) {
      return error;
    }
  });
  for (const error of errors)
    expect(explained(error, 64)).toMatch(/read ahead do not fit; lower the batch of 64 pairs/);
});

test("other errors are left alone", () => {
  expect(explained(new Error("disk full"), 64)).toBeUndefined();
  expect(explained("out of memory", 64)).toBeUndefined();
});
