import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Fault } from "../data/faults.ts";
import {
  countLeftOut,
  describeLeftOut,
  dropQuarantine,
  gatherQuarantine,
  quarantinePath,
  readQuarantine,
} from "./quarantine-files.ts";
import { QuarantineList } from "./quarantine-list.ts";

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "fastclip-list-"));
});
afterEach(() => rmSync(run, { recursive: true }));

const fault = (key: string, cause: Fault["cause"] = "bad-picture"): Fault => ({
  cause,
  shard: "a.tar",
  key,
  message: `a.tar: ${key}.jpg is cut off at byte 8192; skipped (3 of 100 so far)`,
});
const stepsPerEpoch = { stepsPerEpoch: 10 };
const batch = (step: number, ids: readonly number[]) => ({
  epoch: 1,
  step,
  bad: ids.map((id) => ({ id, fault: fault(`${id}`) })),
});
const fresh = { known: [], isResumed: false };
const idsOf = (rank = 0): unknown[] => readQuarantine(quarantinePath(run, rank)).map(({ id, key }) => id ?? key);

test("what comes before the folder is known is written then, the rest at once, each sample once", () => {
  const list = new QuarantineList();
  list.add(fault("no", "no-caption"), { data: "train" });
  expect(list.open(quarantinePath(run), fresh)).toEqual([]);
  list.addBatch(batch(4, [7, 8]), stepsPerEpoch);
  list.addBatch(batch(5, [8, 9]), stepsPerEpoch);
  expect(idsOf()).toEqual(["no", 7, 8, 9]);
  const last = readFileSync(quarantinePath(run), "utf8").trimEnd().split("\n").at(-1)!;
  expect(last).toBe(
    '{"data":"train","cause":"bad-picture","shard":"a.tar","key":"9","message":"a.tar: 9.jpg is cut off at byte 8192","id":9,"epoch":1,"step":16}',
  );
});

test("a new run lists nothing of an earlier one, and one without bad samples has no file", () => {
  const list = new QuarantineList();
  list.open(quarantinePath(run, 1), fresh);
  list.addBatch(batch(0, [7]), stepsPerEpoch);
  dropQuarantine(run);
  new QuarantineList().open(quarantinePath(run), fresh);
  expect(readdirSync(run)).toEqual([]);
});

test("a killed process' lists come together; the next one writes nothing of them again", () => {
  for (const [rank, ids] of [
    [0, [7, 8]],
    [1, [8, 9]],
    [10, [9, 3]],
  ] as const) {
    const list = new QuarantineList();
    if (rank === 0) list.add(fault("no", "no-caption"), { data: "train" });
    list.open(quarantinePath(run, rank), fresh);
    list.addBatch(batch(rank, ids), stepsPerEpoch);
    if (rank === 0) list.add(fault("v"), { data: "val", epoch: 1, step: 20 });
  }
  appendFileSync(quarantinePath(run, 1), '{"data":"tra');
  const entries = gatherQuarantine(run);
  expect(readdirSync(run)).toEqual(["quarantine.jsonl"]);
  expect(idsOf()).toEqual(["no", 7, 8, "v", 9, 3]);
  expect(describeLeftOut(countLeftOut(entries))).toEqual([
    "left out of the training data: 1 no-caption, 4 bad-picture; quarantine.jsonl names each",
    "left out of the validation data: 1 bad-picture; quarantine.jsonl names each",
  ]);

  const list = new QuarantineList();
  list.add(fault("no", "no-caption"), { data: "train" });
  const known = list.open(quarantinePath(run), { known: [{ id: 55, cause: "no-caption", step: 3 }], isResumed: true });
  expect(known.map(({ id, step }) => [id, step])).toEqual([
    [55, 3],
    [7, 11],
    [8, 11],
    [9, 12],
    [3, 21],
  ]);
  list.addBatch(batch(3, [3, 55, 56]), stepsPerEpoch);
  list.add(fault("v"), { data: "val", epoch: 2, step: 30 });
  expect(idsOf()).toEqual(["no", 7, 8, "v", 9, 3, 56]);
});
