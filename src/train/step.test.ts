import { beforeEach, describe, expect, test } from "vitest";
import { ProcessGroup } from "../distributed/process-group.ts";
import { InnerEstimator } from "../losses/estimator.ts";
import { PairState } from "../losses/pair-state.ts";
import { CLIP, parseModelConfig } from "../models/index.ts";
import {
  arange,
  liveTensors,
  manualSeed,
  randint,
  randn,
  resetPeakMemory,
  scope,
  type Tensor,
  tensor,
  tensorMemory,
} from "../tensor/index.ts";
import { loadConfig } from "./config/load.ts";
import type { Inputs } from "./encode.ts";
import { type FinishedStep, type Trainer, trainStep } from "./step.ts";
import { createTrainer } from "./trainer.ts";

const modelConfig = {
  embed_dim: 16,
  vision_cfg: { image_size: 32, layers: [1, 1, 1, 1], width: 8, head_width: 32 },
  text_cfg: { context_length: 8, vocab_size: 64, width: 16, heads: 2, layers: 1 },
};

// Batch norm takes its statistics from what goes through the tower at once; a ViT has none.
const vitConfig = {
  ...modelConfig,
  vision_cfg: { image_size: 32, layers: 2, width: 16, patch_size: 8, head_width: 8 },
};

function createTest(
  flags: Record<string, string> = {},
  { model: settings = modelConfig as unknown, microBatch = 6 } = {},
): Trainer {
  const config = loadConfig({ flags: { "train-data": "unused.tar", precision: "fp32", warmup: "0", ...flags } });
  const model = scope(() => new CLIP(parseModelConfig(settings, "model")));
  return createTrainer(config, {
    model,
    stepsPerEpoch: 4,
    microBatch,
    group: ProcessGroup.alone(),
    createPairs: (columns) => PairState.inMemory(columns, 32),
  });
}

function randomInputs(): Inputs {
  return {
    images: randn([6, 3, 32, 32]),
    tokens: randint(60, [6, 8], { dtype: "int64" }),
    ids: tensor([4, 9, 1, 30, 0, 17], { dtype: "int64" }),
  };
}

/** Everything that a step may change, as numbers. */
function everything({ model, optimizer, method }: Trainer): number[][] {
  const tensors = [...model.stateDict().values(), ...optimizer.state().values()];
  const columns = method.pairs === undefined ? [] : InnerEstimator.columns.map((name) => method.pairs!.column(name));
  return [...tensors, ...columns].map((values: Tensor) => values.detach().toArray());
}

beforeEach(() => manualSeed(3));

test.each(["openclip", "siglip", "fastclip-v0", "fastclip-v1", "fastclip-v2", "fastclip-v3"])(
  "a step with %s changes the model",
  (loss) => {
    const trainer = createTest({ loss });
    const before = everything(trainer);
    const result = trainStep(trainer, randomInputs(), { epoch: 0, step: 0 });
    expect(result).not.toHaveProperty("skipped");
    expect(everything(trainer)).not.toEqual(before);
  },
);

test.each(["openclip", "fastclip-v2", "fastclip-v3"])(
  "a step with %s that is not finite changes nothing and says where",
  (loss) => {
    const trainer = createTest({ loss });
    trainStep(trainer, randomInputs(), { epoch: 0, step: 0 });
    const before = everything(trainer);
    const inputs = randomInputs();
    inputs.images.select(0, 2).fill_(Number.NaN);
    const result = trainStep(trainer, inputs, { epoch: 1, step: 4 });
    // Batch norm spreads the bad picture over the whole batch.
    expect(result).toEqual({
      skipped: "the image features of samples 4, 9, 1, 30, 0, 17 are not finite",
      stop: false,
    });
    expect(everything(trainer)).toEqual(before);
  },
);

describe.each(["openclip", "siglip", "fastclip-v2", "fastclip-v3"])("micro-batches with %s", (loss) => {
  const sgd = { loss, opt: "sgd", momentum: "0", wd: "0", lr: "1" };

  test.each([1, 2, 3, 4])("of %i pairs give what the whole batch gives", (microBatch) => {
    const outcome = (size: number) => {
      manualSeed(3);
      const trainer = createTest(sgd, { model: vitConfig, microBatch: size });
      const inputs = randomInputs();
      // Two steps: the second one finds what the first one kept of the pairs.
      const results = [0, 1].map((step) => trainStep(trainer, inputs, { epoch: step, step }));
      return { results, state: everything(trainer) };
    };
    const [whole, parts] = [outcome(6), outcome(microBatch)];
    for (const [i, result] of whole.results.entries()) {
      const [expected, actual] = [result, parts.results[i]!] as [FinishedStep, FinishedStep];
      // The first step sees the same weights; the second those that a rate of 1 took apart by the rounding of gradients.
      expect(Math.abs(actual.loss / expected.loss - 1)).toBeLessThan(i === 0 ? 5e-7 : 2e-6);
      expect(Math.abs(actual.gradNorm / expected.gradNorm - 1)).toBeLessThan(1e-5);
    }
    for (const [i, values] of whole.state.entries()) {
      const largest = Math.max(1e-3, ...values.map(Math.abs));
      const error = Math.max(0, ...values.map((value, n) => Math.abs(value - parts.state[i]![n]!)));
      expect(error / largest).toBeLessThan(1e-4);
    }
  });
});

test("a micro-batch takes the memory of a part", () => {
  const peak = (microBatch: number): number => {
    const trainer = createTest({}, { model: vitConfig, microBatch });
    const inputs = {
      images: randn([64, 3, 32, 32]),
      tokens: randint(60, [64, 8], { dtype: "int64" }),
      ids: arange(64, { dtype: "int64" }),
    };
    trainStep(trainer, { ...inputs, ids: inputs.ids.div(2).to("int64") }, { epoch: 0, step: 0 });
    resetPeakMemory();
    const before = tensorMemory().used;
    trainStep(trainer, { ...inputs, ids: inputs.ids.div(2).to("int64") }, { epoch: 0, step: 1 });
    return tensorMemory().peak - before;
  };
  expect(peak(8)).toBeLessThan(0.4 * peak(64));
});

test("a step leaves no tensor behind", () => {
  const trainer = createTest();
  const inputs = randomInputs();
  trainStep(trainer, inputs, { epoch: 0, step: 0 });
  const after1 = liveTensors();
  for (let step = 1; step < 100; step++) trainStep(trainer, inputs, { epoch: 0, step });
  expect(liveTensors()).toBe(after1);
});

test("clipping by norm keeps the update's direction and bounds its length", () => {
  const flags = { opt: "sgd", momentum: "0", wd: "0", lr: "1", loss: "fastclip-v1" };
  const change = (more: Record<string, string>): number[] => {
    manualSeed(3);
    const trainer = createTest({ ...flags, ...more });
    const weight = trainer.model.parameters().get("text_projection")!;
    const before = weight.detach().toArray();
    trainStep(trainer, randomInputs(), { epoch: 0, step: 0 });
    return weight
      .detach()
      .toArray()
      .map((value, i) => value - before[i]!);
  };
  const [free, clipped] = [change({}), change({ "grad-clip-norm": "1e-3" })];
  const length = (values: number[]): number => Math.hypot(...values);
  expect(length(clipped)).toBeLessThanOrEqual(1e-3);
  const cosine = free.reduce((sum, x, i) => sum + x * clipped[i]!, 0) / (length(free) * length(clipped));
  expect(cosine).toBeGreaterThan(0.999);
});
