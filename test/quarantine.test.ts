// Runs on data with bad samples: each is named once in the run's folder, whichever process met it and however often the run was started.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeShards } from "../src/data/shards.fixture.ts";
import type { LeftOut } from "../src/train/quarantine-list.ts";
import { listCheckpoints, readState } from "../src/train/run-files.ts";
import { runRanks, startTrain } from "./support/processes.ts";
import { writeViT } from "./support/shards.ts";

const [shards, samples] = [2, 24];
const badPictures = [1, 5, 17, 30, 38, 47];
const withoutCaption = 20;

let folder: string;
let flags: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-quarantine-"));
  const data = await writeShards({
    folder,
    count: shards,
    samples,
    change: (entries, seed) =>
      entries
        .filter(({ name }) => seed !== withoutCaption || !name.endsWith(".txt"))
        .map((entry) =>
          badPictures.includes(seed) && entry.name.endsWith(".png")
            ? { ...entry, data: entry.data.subarray(0, 60) }
            : entry,
        ),
  });
  const settings = { model: writeViT(folder), "train-data": data, logs: folder, precision: "fp32", "batch-size": 8 };
  const more = { epochs: 2, warmup: 0, "save-every-n-steps": 1, "val-data": data };
  flags = Object.entries({ ...settings, ...more }).flatMap(([name, value]) => [`--${name}`, `${value}`]);
});
afterAll(() => rmSync(folder, { recursive: true }));

const listOf = (name: string): LeftOut[] =>
  readFileSync(join(folder, name, "quarantine.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const keyOf = (seed: number): string => String(seed).padStart(6, "0");
const badKeys = badPictures.map(keyOf);
const keysIn = (list: readonly LeftOut[], data: LeftOut["data"]): string[] =>
  list.flatMap((entry) => (entry.data === data && entry.cause === "bad-picture" ? [entry.key!] : [])).sort();

test("each bad sample is named once, and still once when the run goes on", async () => {
  const first = await startTrain([...flags, "--name", "one"]).end;
  expect(first.code).toBe(0);
  const list = listOf("one");
  expect(keysIn(list, "train")).toEqual(badKeys);
  expect(keysIn(list, "val")).toEqual(badKeys);
  expect(list[0]).toEqual({
    data: "train",
    cause: "no-caption",
    shard: "shard-0.tar",
    key: keyOf(withoutCaption),
    message: expect.stringMatching(/^shard-0\.tar: 000020 has no/),
  });
  // 47 whole samples are 5 steps an epoch; the ids of those behind the one without a caption are one lower.
  expect(list.find(({ key }) => key === keyOf(47))).toEqual({
    data: "train",
    cause: "bad-picture",
    shard: "shard-1.tar",
    key: keyOf(47),
    message: expect.stringMatching(/^shard-1\.tar: 000047\.png .*[^)]$/),
    id: 46,
    epoch: 0,
    step: expect.toSatisfy((step: number) => step >= 1 && step <= 5),
  });
  const counts = { "no-caption": 1, "bad-picture": 6 };
  expect(JSON.parse(readFileSync(join(folder, "one", "results.json"), "utf8")).leftOut).toEqual({
    train: counts,
    val: counts,
  });
  expect(first.out).toContain(
    "left out of the training data: 1 no-caption, 6 bad-picture; quarantine.jsonl names each",
  );

  const second = await startTrain(["--resume", join(folder, "one"), "--epochs", "3"]).end;
  expect(second.code).toBe(0);
  expect(listOf("one")).toEqual(list);
});

test("the count of bad samples goes on where the run does, and those that were too many are named", async () => {
  const run = join(folder, "many");
  // Of a thousand, three may be bad.
  const first = await startTrain([...flags, "--name", "many", "--max-bad-rate", "0.003"]).end;
  const list = listOf("many");
  expect(first.code).toBe(1);
  expect(first.error).toContain(`too many bad samples: ${keysIn(list, "train").length} of`);
  const { step } = readState(listCheckpoints(run).at(-1)!);
  expect(list.filter((entry) => entry.step !== undefined && entry.step <= step)).not.toEqual([]);

  const second = await startTrain(["--resume", run]).end;
  expect(second).toMatchObject({ code: 1, error: first.error });
  expect(listOf("many")).toEqual(list);
});

test("two processes keep one list", async () => {
  const ends = await runRanks(2, { flags: [...flags, "--name", "two", "--epochs", "3"] });
  for (const { code, error } of ends) expect({ code, error }).toEqual({ code: 0, error: "" });
  const list = listOf("two");
  expect(keysIn(list, "train")).toEqual(badKeys);
  expect(list.filter(({ cause }) => cause === "no-caption").map(({ data }) => data)).toEqual(["train", "val"]);
  expect(readdirSync(join(folder, "two")).filter((name) => name.startsWith("quarantine"))).toEqual([
    "quarantine.jsonl",
  ]);
});
