import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seal } from "../seal.ts";
import { Mirror } from "./mirror.ts";

let folder: string;
let run: string;
let root: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-mirror-"));
  [run, root] = [join(folder, "run"), join(folder, "copies/run")];
});
afterEach(() => rmSync(folder, { recursive: true }));

const nameOf = (step: number): string => `step-${String(step).padStart(9, "0")}`;

/** A checkpoint of a run with ten steps an epoch. */
function save(step: number, { weights = `weights of ${step}`, top1 }: { weights?: string; top1?: number } = {}): void {
  const checkpoint = join(run, "checkpoints", nameOf(step));
  mkdirSync(checkpoint, { recursive: true });
  writeFileSync(join(checkpoint, "model"), weights);
  const dataset = { size: 80, fingerprint: "of the data" };
  const state = { step, epoch: Math.floor(step / 10), stepOfEpoch: step % 10, dataset };
  writeFileSync(join(checkpoint, "state.json"), JSON.stringify(state));
  seal(checkpoint);
  if (top1 === undefined) return;
  writeFileSync(join(checkpoint, "evaluation.json"), JSON.stringify([{ metric: "top-1", value: top1 }]));
}

const remove = (step: number): void => rmSync(join(run, "checkpoints", nameOf(step)), { recursive: true });
const copied = (path: string): string => readFileSync(join(root, path), "utf8");
const copies = (): string[] =>
  readdirSync(join(root, "checkpoints")).filter((name) => existsSync(join(root, "checkpoints", name, "sha256.json")));
const mirror = (keepBest?: string): Mirror =>
  new Mirror({
    folder: run,
    root,
    keeping: { keepLast: 2, saveFrequency: 2, ...(keepBest !== undefined && { keepBest }) },
  });

test("what is kept is there, with what is found of it later; what is not kept is not", async () => {
  const copy = mirror("top-1");
  save(5, { top1: 0.9 });
  writeFileSync(join(run, "metrics.jsonl"), "one\n");
  await copy.update([nameOf(5)]);
  expect(copies()).toEqual([nameOf(5)]);
  expect(copied("metrics.jsonl")).toBe("one\n");
  for (const step of [10, 15, 20]) save(step);
  writeFileSync(join(run, "metrics.jsonl"), "one\ntwo\n");
  await copy.update([5, 10, 15, 20].map(nameOf));
  expect(copies()).toEqual([5, 15, 20].map(nameOf)); // the best one, and the last two
  expect(copied("metrics.jsonl")).toBe("one\ntwo\n");
  save(20, { top1: 0.95 });
  remove(10);
  await copy.update([5, 15, 20].map(nameOf));
  expect(copies()).toEqual([15, 20].map(nameOf));
  expect(copied(`checkpoints/${nameOf(20)}/evaluation.json`)).toContain("0.95");
});

test("a folder that begins empty keeps what was kept of the run before", async () => {
  for (const step of [15, 20, 25, 30]) save(step);
  await mirror().update([15, 20, 25, 30].map(nameOf));
  expect(copies()).toEqual([20, 25, 30].map(nameOf)); // epoch 2's, and the last two
  await mirror().update([]); // as of a folder that is gone
  expect(copies()).toEqual([20, 25, 30].map(nameOf));
  // Another machine has fetched the last one, and goes on.
  for (const step of [15, 20, 25]) remove(step);
  save(35);
  await mirror().update([30, 35].map(nameOf));
  expect(copies()).toEqual([20, 30, 35].map(nameOf));
});

test("a checkpoint that is another than its copy takes its place; what was not finished or is newer goes", async () => {
  for (const step of [10, 15]) save(step);
  await mirror().update([10, 15].map(nameOf));
  rmSync(join(root, "checkpoints", nameOf(10), "sha256.json"));
  save(10, { weights: "others" });
  remove(15);
  await mirror().update([nameOf(10)]);
  expect(copies()).toEqual([nameOf(10)]);
  expect(copied(`checkpoints/${nameOf(10)}/model`)).toBe("others");
  save(10, { weights: "others again" });
  await mirror().update([nameOf(10)]);
  expect(copied(`checkpoints/${nameOf(10)}/model`)).toBe("others again");
  expect(readdirSync(join(root, "checkpoints", nameOf(15)))).toEqual([]);
});
