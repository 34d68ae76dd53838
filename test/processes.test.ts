// `fastclip train` in several real processes: the same run as in one, on the same batches.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { listCheckpoints } from "../src/train/run-files.ts";
import { finalWeights, runRanks, startRanks, trainRecords } from "./support/processes.ts";
import { cutOff, writeModel, writeShards, writeViT } from "./support/shards.ts";

// Whole runs, several at a time: a machine with other work takes long for them.
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
let flags: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-processes-"));
  // Three shards for up to four readers, one of them much shorter than the others: 24, 24 and 12 pairs.
  const data = await writeShards(folder, 3);
  cutOff(join(folder, "shard-2.tar"), 12 * 6 * 512 + 600);
  const settings = {
    model: writeViT(folder),
    "train-data": data,
    logs: folder,
    precision: "fp32",
    "batch-size": 16,
    epochs: 7,
    // Adam makes full steps of gradients that are nothing but rounding; plain momentum shows whether the gradients agree.
    opt: "sgd",
    lr: 0.2,
    warmup: 0,
    "log-every-n-steps": 1,
    "max-bad-rate": 0.1,
  };
  flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs to the end and returns the run's folder. */
async function trained(size: number, { name, more = [] }: { name: string; more?: readonly string[] }): Promise<string> {
  const ends = await runRanks(size, { flags: [...flags, "--name", name, ...more] });
  for (const { code, error } of ends) expect({ code, error }).toEqual({ code: 0, error: "" });
  return join(folder, name);
}

/** log u of every pair, from the last checkpoint. */
function pairsOf(run: string): number[] {
  const bytes = readFileSync(join(listCheckpoints(run).at(-1)!, "pairs.f32"));
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

/** Within float32 rounding as 21 steps carry it on: relative to the largest number. */
function expectSameNumbers(actual: readonly number[], expected: readonly number[], relative = 2e-5): void {
  expect(actual).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  expect(error / largest).toBeLessThan(relative);
}

function expectSameRun(actual: string, expected: string, { keepsPairs }: { keepsPairs: boolean }): void {
  const [a, b] = [trainRecords(actual), trainRecords(expected)];
  expect(a.map(({ step }) => step)).toEqual(b.map(({ step }) => step));
  for (const key of ["loss", "infoNce", "gradNorm", "tau"] as const)
    expectSameNumbers(
      a.map((record) => record[key]!),
      b.map((record) => record[key]!),
    );
  const weights = finalWeights(actual);
  for (const [name, tensor] of finalWeights(expected))
    expectSameNumbers(weights.get(name)!.toArray(), tensor.toArray());
  if (keepsPairs) expectSameNumbers(pairsOf(actual), pairsOf(expected));
}

test.each([
  { loss: "fastclip-v3", sizes: [2, 4] },
  { loss: "fastclip-v2", sizes: [2] },
  { loss: "openclip", sizes: [2] },
])("$loss in $sizes processes, with either reduction, is the run of one", async ({ loss, sizes }) => {
  const more = ["--loss", loss];
  const keepsPairs = loss !== "openclip";
  const one = await trained(1, { name: `${loss}-1`, more });
  expect(trainRecords(one)).toHaveLength(21);
  for (const size of sizes)
    for (const reduction of ["scalars", "features"]) {
      const name = `${loss}-${size}-${reduction}`;
      const run = await trained(size, { name, more: [...more, "--gradient-reduction", reduction] });
      expectSameRun(run, one, { keepsPairs });
    }
});

test("two processes with micro-batches average their gradients once a step", async () => {
  const whole = await trained(2, { name: "whole" });
  const parts = await trained(2, { name: "parts", more: ["--micro-batch", "2"] });
  expectSameRun(parts, whole, { keepsPairs: true });
  const calls = (run: string) => trainRecords(run).map(({ traffic }) => traffic!["gradients"]!.calls);
  expect(calls(parts)).toEqual(calls(whole));
});

test("batch norm over the batches of all processes is batch norm over the whole batch", async () => {
  const more = ["--model", writeModel(folder), "--epochs", "1", "--lr", "0.01"];
  /** The first step tells whether features agree; the second, whether the gradients of the first did. */
  const losses = async (size: number, name: string, flag: readonly string[] = []): Promise<number[]> =>
    trainRecords(await trained(size, { name, more: [...more, ...flag] }))
      .slice(0, 2)
      .map(({ infoNce }) => infoNce);
  const one = await losses(1, "norm-1");
  const off = (values: readonly number[]): number[] => one.map((value, i) => Math.abs(values[i]! / value - 1));
  const [first, second] = off(await losses(2, "norm-2", ["--use-bn-sync"]));
  expect(first).toBeLessThan(1e-5);
  // Rounding puts what is constant over a batch on either side of a ReLU's corner: test/batch-norm.test.ts has gradients without one.
  expect(second).toBeLessThan(2e-3);
  for (const apart of off(await losses(2, "norm-apart"))) expect(apart).toBeGreaterThan(1e-2);
});

test("a stopped run goes on with another number of processes", async () => {
  const ranks = await startRanks(2, { flags: [...flags, "--name", "moved", "--epochs", "200"] });
  while (listCheckpoints(join(folder, "moved")).length < 1) await new Promise((resolve) => setTimeout(resolve, 20));
  // One process is told; all hear of it with the next exchange.
  ranks[1]!.process.kill("SIGTERM");
  const ends = await Promise.all(ranks.map(({ end }) => end));
  expect(ends.map(({ code, error }) => ({ code, error }))).toEqual(Array(2).fill({ code: 75, error: "" }));
  expect(ends[0]!.out).toMatch(/SIGTERM: go on with fastclip train --resume .*moved\n$/);
  const stopped = trainRecords(join(folder, "moved")).at(-1)!.step;
  expect(stopped).toBeLessThan(200 * 3);

  const run = join(folder, "moved");
  const [more, least] = [`${Math.ceil((stopped + 4) / 3)}`, Math.ceil((stopped + 4) / 3) * 3];
  // The learning rate of a shorter run is another one from here on, so both go on from the same place.
  rmSync(join(folder, "stayed"), { recursive: true, force: true });
  const { cpSync } = await import("node:fs");
  cpSync(run, join(folder, "stayed"), { recursive: true });
  for (const [name, size] of [
    ["moved", 4],
    ["stayed", 1],
  ] as const) {
    const resumed = await runRanks(size, { flags: ["--resume", join(folder, name), "--epochs", more] });
    for (const { code, error } of resumed) expect({ code, error }).toEqual({ code: 0, error: "" });
    expect(resumed[0]!.out).toContain(
      `changed since the run was stopped: processes: ${size} now, 2 before; run.epochs: `,
    );
  }
  expect(trainRecords(run).at(-1)!.step).toBe(least);
  expectSameRun(run, join(folder, "stayed"), { keepsPairs: true });
});

test("features in bfloat16 take half the bytes", async () => {
  const run = await trained(2, { name: "half", more: ["--feature-precision", "bf16", "--epochs", "1"] });
  // Of 16 pairs two features of 32 numbers, and an id of 8 bytes.
  expect(trainRecords(run).map(({ traffic }) => traffic!["features"]!.bytes)).toEqual(
    Array(3).fill(16 * (2 * 32 * 2 + 8)),
  );
});

test("every process makes as many steps, and the plan says so", async () => {
  const [first, second] = await runRanks(2, { flags: [...flags, "--name", "planned", "--epochs", "1"] });
  expect(first!.out).toContain(
    "60 pairs (3 shards of 12 to 24), batch 16; 2 processes on this machine, each 8 pairs of every batch, 3 steps an epoch",
  );
  // What is wrong with the shards is said once, by the process that speaks for the run.
  expect(first!.out).toMatch(/shard-2\.tar: .*cut off/);
  expect(second!.out).toBe("");
});

test.each([
  {
    name: "another learning rate",
    own: [[], ["--lr", "0.3"]],
    says: /^fastclip: rank 1 was not started as rank 0 was: configuration\.optim\.lr is 0\.3 there and 0\.2 on rank 0\n$/,
  },
  {
    name: "a batch that cannot be shared",
    own: [
      ["--batch-size", "15"],
      ["--batch-size", "15"],
    ],
    says: /^fastclip: a batch of 15 pairs \(--batch-size\) cannot be shared evenly by 2 processes\n$/,
  },
])("$name is refused by all, in one sentence", async ({ own, says }) => {
  const ends = await runRanks(2, { flags: [...flags, "--name", "refused"], own });
  for (const { code, error } of ends) {
    expect(error).toMatch(says);
    expect(code).toBe(1);
  }
});

test("an error of one process is told by the others", async () => {
  const own = [[], ["--train-data", join(folder, "none.tar")]];
  const [first, second] = await runRanks(2, { flags: [...flags, "--name", "lonely"], own });
  expect(second!.error).toMatch(/none\.tar does not exist/);
  expect(first!.error).toMatch(/^fastclip: .* failed: rank 1 has ended: .*none\.tar.* does not exist/);
  expect([first!.code, second!.code]).toEqual([1, 1]);
});
