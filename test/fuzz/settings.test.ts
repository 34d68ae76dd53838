// Damaged settings: a run's YAML file, a model's JSON, and the files of a checkpoint.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { modelConfig } from "../../src/models/presets.ts";
import { checkDataset } from "../../src/train/checkpoint.ts";
import { loadConfig } from "../../src/train/config/load.ts";
import { printConfig } from "../../src/train/config/print.ts";
import { pruneCheckpoints } from "../../src/train/kept.ts";
import { readState } from "../../src/train/run-files.ts";
import { findDamage, seal } from "../../src/train/seal.ts";
import { fuzz } from "../support/mutations.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes what was damaged and gives its path. */
function file(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("a damaged settings file gives settings that can be saved and read again", async () => {
  const whole = readFileSync(join(import.meta.dirname, "../../recipes/medium-cc3m/fastclip-v2.yaml"));
  const read = (bytes: Buffer): void => {
    const config = loadConfig({ file: file("run.yaml", bytes) });
    expect(Object.isFrozen(config.optim)).toBe(true);
    const again = file("again.yaml", Buffer.from(printConfig(config)));
    expect(loadConfig({ file: again })).toEqual(config);
  };
  // Without its comments, in which damage is none.
  const text = whole.toString().replace(/ *#.*\n/g, "\n");
  const accepted = await fuzz(Buffer.from(text), { seed: 5, count: 300, read });
  expect(accepted).toBeGreaterThan(10);
});

test("a damaged model file gives sizes that a model can have", async () => {
  const vision_cfg = { image_size: 224, layers: [3, 4, 6, 3], width: 64, patch_size: null, head_width: 64 };
  const text_cfg = { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 };
  const whole = JSON.stringify({ model_cfg: { embed_dim: 512, quick_gelu: true, vision_cfg, text_cfg } }, null, 1);
  const read = (bytes: Buffer): void => {
    const { embed_dim, vision_cfg: vision, text_cfg: text } = modelConfig(file("model.json", bytes));
    const sizes = [embed_dim, vision.image_size, vision.layers, vision.width, text.width, text.heads, text.layers];
    expect(sizes.flat().every((size) => Number.isSafeInteger(size) && size > 0)).toBe(true);
  };
  await fuzz(Buffer.from(whole), { seed: 6, count: 400, read });
});

/** A checkpoint's folder as far as its small files go. */
function checkpoint(): string {
  const path = join(folder, "checkpoints", "step-000000007");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const state = { step: 7, epoch: 1, stepOfEpoch: 3, dataset: { size: 24, fingerprint: "0123456789abcdef" } };
  writeFileSync(join(path, "state.json"), `${JSON.stringify(state, null, 2)}\n`);
  writeFileSync(join(path, "weights"), "weights");
  seal(path);
  const results = [{ split: "all", metric: "top-1", value: 0.125, chance: 0.04, count: 24 }];
  writeFileSync(join(path, "evaluation.json"), `${JSON.stringify(results, null, 2)}\n`);
  return path;
}

test("a damaged state of a checkpoint gives numbers, or an error that names it", async () => {
  const path = checkpoint();
  const whole = readFileSync(join(path, "state.json"));
  const dataset = readState(path).dataset;
  const read = (bytes: Buffer): void => {
    writeFileSync(join(path, "state.json"), bytes);
    const { step, epoch, stepOfEpoch } = readState(path);
    expect([step, epoch, stepOfEpoch].every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
    checkDataset(path, dataset);
  };
  await fuzz(whole, { seed: 7, count: 400, read });
});

test("a damaged seal of a checkpoint is damage in words", async () => {
  const path = checkpoint();
  const whole = readFileSync(join(path, "sha256.json"));
  const read = (bytes: Buffer): void => {
    writeFileSync(join(path, "sha256.json"), bytes);
    expect(findDamage(path) ?? "").not.toMatch(/undefined|\n/);
  };
  await fuzz(whole, { seed: 8, count: 400, read });
});

test("a damaged evaluation of a checkpoint rates it as a number, or not", async () => {
  const path = checkpoint();
  const whole = readFileSync(join(path, "evaluation.json"));
  const read = (bytes: Buffer): void => {
    writeFileSync(join(path, "evaluation.json"), bytes);
    pruneCheckpoints(folder, { keepLast: 1, keepBest: "top-1", saveFrequency: 0, except: new Set() });
    expect(findDamage(path)).toBeUndefined(); // the only checkpoint stays
  };
  await fuzz(whole, { seed: 9, count: 200, read });
});
