import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type MetricsRecord, MetricsWriter, readMetrics, type TrainRecord, truncateMetrics } from "./metrics.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-metrics-"));
  path = join(folder, "metrics.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true }));

function train(step: number, change: Partial<TrainRecord> = {}): TrainRecord {
  const speeds = { samplesPerSecond: 300, dataWait: 0.1, residentBytes: 1e9, liveTensors: 10, time: 1.7e12 };
  return {
    kind: "train",
    step,
    epoch: 0,
    samples: step * 64,
    loss: 2.5,
    infoNce: 3,
    noInformation: 4.1589,
    tau: 0.05,
    lr: 1e-3,
    ...speeds,
    ...change,
  };
}

function writeAll(records: readonly MetricsRecord[]): void {
  const writer = new MetricsWriter(path);
  for (const record of records) writer.write(record);
  writer.close();
}

const evaluation: MetricsRecord = {
  kind: "eval",
  step: 2,
  epoch: 0,
  results: [{ split: "held-out style", metric: "top-1", value: 0.18, chance: 0.0005, count: 1893 }],
};

test("what is written is read back, one line each, visible before the file is closed", () => {
  const records: MetricsRecord[] = [
    train(1, { gamma: 1 }),
    evaluation,
    { kind: "event", level: "info", message: "a\nb" },
  ];
  const writer = new MetricsWriter(path);
  for (const record of records) writer.write(record);
  expect(readMetrics(path)).toEqual(records);
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(records.length + 1);
  writer.close();
  expect(() => writer.write(train(2))).toThrow("after the file was closed");
});

test("numbers that JSON lacks come back as numbers, and text that looks like them stays text", () => {
  const records: MetricsRecord[] = [
    train(1, { loss: Number.NaN, tau: Number.POSITIVE_INFINITY, gradNorm: Number.NEGATIVE_INFINITY }),
    { kind: "event", level: "error", message: "NaN" },
  ];
  writeAll(records);
  expect(readFileSync(path, "utf8")).toContain('"loss":"NaN"');
  expect(readMetrics(path)).toEqual(records);
});

test("a cut-off last line is left out, and the next writer does not write behind it", () => {
  writeAll([train(1)]);
  appendFileSync(path, '{"kind":"train","step":2,"los');
  expect(readMetrics(path)).toEqual([train(1)]);
  writeAll([train(2)]);
  expect(readMetrics(path)).toEqual([train(1), train(2)]);
});

test.each([
  ["no JSON", "hello"],
  ["no object", "17"],
  ["an unknown kind", '{"kind":"surprise"}'],
])("%s in the middle is an error that names the line", (_, line) => {
  writeFileSync(path, `${JSON.stringify(train(1))}\n${line}\n`);
  expect(() => readMetrics(path)).toThrow(`${path}:2: expected`);
});

test("truncating drops what came after the step, keeps events without one, and leaves no other file", () => {
  const event: MetricsRecord = { kind: "event", level: "info", message: "started" };
  writeAll([
    event,
    train(1),
    train(2),
    evaluation,
    train(3),
    { kind: "event", level: "warning", message: "late", step: 3 },
  ]);
  appendFileSync(path, '{"kind":');
  truncateMetrics(path, 2);
  expect(readMetrics(path)).toEqual([event, train(1), train(2), evaluation]);
  expect(readdirSync(folder)).toEqual(["metrics.jsonl"]);
});

test("truncating a run without metrics makes no file", () => {
  truncateMetrics(path, 5);
  expect(existsSync(path)).toBe(false);
});
