// `fastclip eval` in one and in two processes.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../src/distributed/children.fixture.ts";
import { writeClasses, writeModel, writeShards } from "./support/shards.ts";

const main = join(import.meta.dirname, "../src/cli/main.ts");
/** Of a process, so that none outlives a test. */
const timeout = 180_000;
let folder: string;
let run: string;
let data: string;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

function fastclip(words: readonly string[], place: Record<string, string | number> = {}): Promise<Ended> {
  const env = { ...process.env, ...Object.fromEntries(Object.entries(place).map(([key, value]) => [key, `${value}`])) };
  return new Promise((resolve) => {
    execFile(process.execPath, ["--import", "tsx", main, ...words], { env, timeout }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code ?? -1), out, error }),
    );
  });
}

/** Both ranks of a group of two, each with words of its own. */
async function both(words: readonly [readonly string[], readonly string[]]): Promise<[Ended, Ended]> {
  const common = { WORLD_SIZE: 2, LOCAL_WORLD_SIZE: 2, MASTER_ADDR: "127.0.0.1", MASTER_PORT: await freePort() };
  const start = (rank: 0 | 1): Promise<Ended> => fastclip(words[rank], { ...common, RANK: rank, LOCAL_RANK: rank });
  return Promise.all([start(0), start(1)]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-eval-"));
  data = await writeShards(folder, 6);
  const settings = ["--model", writeModel(folder), "--precision", "fp32", "--batch-size", "16", "--epochs", "1"];
  const files = ["--train-data", data, "--logs", folder, "--name", "run"];
  const { code, error } = await fastclip(["train", ...settings, ...files]);
  expect([code, error]).toEqual([0, ""]);
  run = join(folder, "run");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("two processes find what one finds, and only rank 0 says it", async () => {
  const json = (name: string): string => join(folder, `${name}.json`);
  const words = (name: string) => {
    return ["eval", run, "--val-data", data, "--zeroshot-classes", writeClasses(folder), "--json", json(name)];
  };
  const alone = await fastclip(words("alone"));
  expect([alone.code, alone.error]).toEqual([0, ""]);
  expect(alone.out).toContain("zero-shot top-1");
  const [first, second] = await both([words("first"), words("second")]);
  expect(first).toEqual(alone);
  expect(second).toEqual({ code: 0, out: "", error: "" });
  const figures = (name: string): unknown => JSON.parse(readFileSync(json(name), "utf8")).results;
  expect(figures("first")).toEqual(figures("alone"));
  expect(existsSync(json("second"))).toBe(false);
});

test("what one process cannot read ends both with its sentence", async () => {
  const missing = join(folder, "none.tar");
  const ends = await both([
    ["eval", run, "--val-data", data],
    ["eval", run, "--val-data", missing],
  ]);
  for (const { code, out, error } of ends) {
    expect([code, out]).toEqual([1, ""]);
    expect(error.trim().split("\n")).toEqual([expect.stringContaining(missing)]);
  }
});

test("processes with different settings are refused", async () => {
  const ends = await both([
    ["eval", run, "--val-data", data],
    ["eval", run, "--val-data", data, "--val-name", "other"],
  ]);
  for (const { code, error } of ends) {
    expect(code).toBe(1);
    expect(error).toContain('rank 1 was not started as rank 0 was: config.eval.split is "other" there');
  }
});
