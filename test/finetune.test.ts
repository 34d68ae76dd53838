// Whole runs with what fine-tuning asks for: averaged weights, patch dropout, locked towers, gradient checkpointing.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readMetrics } from "../src/telemetry/metrics.ts";
import { readSafetensors } from "../src/tensor/index.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import { writeShards } from "./support/shards.ts";

const main = join(import.meta.dirname, "../src/cli/main.ts");
let folder: string;
let common: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-finetune-"));
  const data = await writeShards(folder, 2);
  const model = join(folder, "vit.json");
  const vision_cfg = { image_size: 32, layers: 2, width: 32, patch_size: 8, head_width: 16 };
  const text_cfg = { context_length: 16, vocab_size: 49408, width: 32, heads: 2, layers: 2 };
  writeFileSync(model, JSON.stringify({ embed_dim: 32, vision_cfg, text_cfg }));
  common = [
    ...["--model", model, "--precision", "fp32", "--threads", "1", "--logs", folder, "--loss", "openclip"],
    ...["--train-data", data, "--val-data", data, "--batch-size", "16", "--log-every-n-steps", "1"],
    ...["--lr", "2e-3", "--lr-scheduler", "const", "--warmup", "2", "--val-frequency", "0"],
  ];
});
afterAll(() => rmSync(folder, { recursive: true }));

async function fastclip(...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", main, ...words]);
  return stdout;
}

const train = (name: string, epochs: number, ...flags: string[]): Promise<string> =>
  fastclip("train", ...common, "--name", name, "--epochs", String(epochs), ...flags);

const lastCheckpoint = (name: string): string => listCheckpoints(join(folder, name)).at(-1)!;

/** Everything that the last checkpoint of a run holds, as bytes by file. */
function finalFiles(name: string): Map<string, Buffer> {
  const last = lastCheckpoint(name);
  return new Map(readdirSync(last).map((file) => [file, readFileSync(join(last, file))]));
}

const weightsOf = (checkpoint: string, file = "open_clip_model.safetensors"): Map<string, number[]> => {
  const { tensors } = readSafetensors(join(checkpoint, file));
  return new Map([...tensors].map(([key, value]) => [key, value.toArray()]));
};

const losses = (name: string): number[] =>
  readMetrics(join(folder, name, "metrics.jsonl")).flatMap((record) => (record.kind === "train" ? [record.loss] : []));

test("a run with averaged weights and patch dropout goes on as if it had never stopped, and is evaluated with the average", async () => {
  const flags = ["--ema-decay", "0.9", "--ema-warmup", "--force-patch-dropout", "0.5"];
  const said = await train("whole", 4, ...flags);
  expect(said).toContain("evaluated with the average of its weights (EMA 0.9)");
  await train("parts", 2, ...flags);
  await fastclip("train", "--resume", join(folder, "parts"), "--epochs", "4");
  const [whole, parts] = [finalFiles("whole"), finalFiles("parts")];
  expect([...parts.keys()]).toEqual([...whole.keys()]);
  expect([...whole.keys()]).toContain("ema.safetensors");
  for (const [file, bytes] of whole) expect(parts.get(file)!.equals(bytes), file).toBe(true);

  const [last, average] = [weightsOf(lastCheckpoint("whole")), weightsOf(lastCheckpoint("whole"), "ema.safetensors")];
  expect([...average.keys()].sort()).toEqual([...last.keys()].sort());
  expect(average.get("visual.proj")).not.toEqual(last.get("visual.proj"));

  const figures = async (...options: string[]): Promise<unknown> => {
    const json = join(folder, "figures.json");
    await fastclip("eval", join(folder, "whole"), "--json", json, ...options);
    return JSON.parse(readFileSync(json, "utf8")).results;
  };
  const ofRun = JSON.parse(readFileSync(join(folder, "whole", "results.json"), "utf8"));
  expect(ofRun.settings.optim.emaDecay).toBe(0.9);
  expect(await figures()).toEqual(ofRun.results);
  expect(await figures("--no-ema")).not.toEqual(ofRun.results);
});

test("a locked tower stays as it is, and gradient checkpointing changes nothing", async () => {
  const flags = ["--lock-image", "--lock-text", "--lock-text-unlocked-layers", "2", "--force-patch-dropout", "0.5"];
  await train("locked", 2, ...flags);
  await train("sparing", 2, ...flags, "--grad-checkpointing");
  const [first, last] = listCheckpoints(join(folder, "locked")).map((path) => weightsOf(path));
  const changed = [...last!].filter(([name, values]) => String(values) !== String(first!.get(name)));
  const trained = /^(logit_scale|text_projection|ln_final\.|transformer\.resblocks\.1\.)/;
  const names = [...last!.keys()].filter((name) => trained.test(name));
  expect(changed.map(([name]) => name).sort()).toEqual(names.sort());
  const state = readSafetensors(join(lastCheckpoint("locked"), "training.safetensors")).tensors;
  const moments = [...state.keys()].flatMap((name) => /^optimizer\/(.+)\/exp_avg$/.exec(name)?.[1] ?? []);
  expect(moments.sort()).toEqual(names);

  const [plain, sparing] = [losses("locked"), losses("sparing")];
  expect(sparing).toHaveLength(plain.length);
  for (const [i, loss] of plain.entries()) expect(sparing[i]).toBeCloseTo(loss, 4);
});
