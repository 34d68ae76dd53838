// The estimate beside the allocator's own figures of real steps.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ProcessGroup } from "../../distributed/process-group.ts";
import { PairState } from "../../losses/pair-state.ts";
import {
  arange,
  emptyCache,
  manualSeed,
  randint,
  randn,
  resetPeakMemory,
  scope,
  tensorMemory,
} from "../../tensor/index.ts";
import { resolveBatch } from "../batch.ts";
import type { FlagValues } from "../config/layers.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { createConfigured } from "../model.ts";
import { trainStep } from "../step.ts";
import { createTrainer } from "../trainer.ts";
import { formatMemory, memoryEstimate } from "./memory.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-memory-"));

/** A model between the demonstration's and the paper's, as a file. */
function modelFile(name: string, vision: object): string {
  const file = join(folder, `${name}.json`);
  const text_cfg = { context_length: 77, vocab_size: 4000, width: 256, heads: 4, layers: 4 };
  writeFileSync(file, JSON.stringify({ embed_dim: 256, vision_cfg: { image_size: 96, ...vision }, text_cfg }));
  return file;
}

const mediumViT = modelFile("vit", { layers: 6, width: 384, patch_size: 16 });
const mediumResNet = modelFile("resnet", { layers: [1, 2, 2, 1], width: 32 });

/** The most that a second step of real training has in tensors, the batch itself not counted. */
function measured(config: Config, microBatch: number): number {
  manualSeed(0);
  emptyCache(); // a kept block that is larger than what is asked for counts whole, and which are kept depends on what ran before
  const before = tensorMemory().used;
  const model = createConfigured(config, { begins: true });
  const { batchSize } = resolveBatch(config);
  const createPairs = (columns: readonly string[]) => PairState.inMemory(columns, batchSize);
  const trainer = createTrainer(config, {
    model,
    stepsPerEpoch: 4,
    microBatch,
    group: ProcessGroup.alone(),
    createPairs,
  });
  const { image_size: side } = model.config.vision_cfg;
  const inputs = scope(() => ({
    images: randn([batchSize, 3, side, side]),
    tokens: randint(1000, [batchSize, model.config.text_cfg.context_length], { dtype: "int64" }),
    ids: arange(batchSize, { dtype: "int64" }),
  }));
  const batchBytes = 4 * inputs.images.numel + 8 * inputs.tokens.numel;
  for (let step = 0; step < 2; step++) {
    resetPeakMemory();
    expect(trainStep(trainer, inputs, { epoch: 0, step })).not.toHaveProperty("skipped");
  }
  const { peak } = tensorMemory();
  for (const tensor of [...Object.values(inputs), ...trainer.optimizer.state().values()]) tensor.free();
  trainer.method.pairs?.close();
  model.free();
  return peak - before - batchBytes;
}

const configured = (flags: FlagValues): Config =>
  loadConfig({ flags: { "train-data": "unused.tar", precision: "fp32", warmup: "0", ...flags } });

test.each<FlagValues>([
  { model: "ViT-Ti-8-64", "batch-size": "32" },
  { model: "ViT-Ti-8-64", "batch-size": "32", "micro-batch": "8" },
  { model: "ViT-Ti-8-64", "batch-size": "32", "grad-checkpointing": true },
  { model: "ViT-Ti-8-64", "batch-size": "32", "lock-image": true, "lock-image-unlocked-groups": "3" },
  { model: "ViT-Ti-8-64", "batch-size": "32", precision: "amp_bf16" },
  { model: "RN-Ti-64", "batch-size": "64" },
  { model: "RN-Ti-64", "batch-size": "64", precision: "amp_bf16", "micro-batch": "16" },
  { model: mediumViT, "batch-size": "16" },
  { model: mediumViT, "batch-size": "16", precision: "amp_bf16", opt: "lion" },
  { model: mediumViT, "batch-size": "16", "micro-batch": "4", opt: "sgd" },
  { model: mediumResNet, "batch-size": "8" },
  { model: mediumResNet, "batch-size": "8", "grad-checkpointing": true, "lock-text": true },
])("%j: the estimate is within a fifth of what a step takes", (flags) => {
  const config = configured(flags);
  const microBatch = Number(flags["micro-batch"] ?? flags["batch-size"]);
  const { total, program, batches } = memoryEstimate(config, { microBatch });
  const ratio = (total - program - batches) / measured(config, microBatch);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThan(1.2);
});

test("what is asked for beside the model counts", () => {
  const estimate = (flags: FlagValues, processes = 1) =>
    memoryEstimate(configured({ "batch-size": "64", ...flags }), { microBatch: 16, processes });
  const plain = estimate({});
  expect(plain.average).toBe(0);
  expect(estimate({ "ema-decay": "0.999" }).average).toBe(plain.weights);
  expect(estimate({ opt: "sgd" }).moments).toBeCloseTo(plain.moments / 2, 0);
  expect(estimate({ opt: "sgd", momentum: "0" }).moments).toBe(0);
  expect(estimate({ workers: "3" }).program).toBeGreaterThan(plain.program);
  const locked = estimate({ "lock-image": true });
  expect([locked.weights, locked.gradients < plain.gradients / 2]).toEqual([plain.weights, true]);
  const shared = estimate({}, 4);
  expect(shared.batches).toBe(plain.batches / 4);
  expect(shared.activations).toBeGreaterThan(plain.activations); // 16 pairs are the whole of a process, and wait for the loss
});

test("the line names the largest part first, and what it comes to", () => {
  const line = formatMemory(memoryEstimate(configured({ "batch-size": "64" }), { microBatch: 64 }));
  expect(line).toMatch(/^memory: about [\d.]+ GB \(activations [\d.]+ GB, moments [\d.]+ GB, .*program 380 MB.*\)$/);
  expect(line).not.toMatch(/average|total/);
});
