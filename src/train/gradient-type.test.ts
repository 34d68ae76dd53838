import { expect, test } from "vitest";
import { ProcessGroup } from "../distributed/process-group.ts";
import { CLIP, parseModelConfig } from "../models/index.ts";
import { arange, gradOf, manualSeed, normOf, randint, randn, scope, setGradDType } from "../tensor/index.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";
import { matrixGradientType } from "./gradient-type.ts";
import { type Trainer, trainStep } from "./step.ts";
import { createTrainer } from "./trainer.ts";

const text_cfg = { context_length: 8, vocab_size: 64, width: 16, heads: 2, layers: 3 };
const models = {
  "a vision transformer": { image_size: 32, layers: 3, width: 16, patch_size: 8, head_width: 8 },
  "a ResNet": { image_size: 32, layers: [1, 1, 1, 1], width: 8, head_width: 32 },
};

function configured(flags: FlagValues = {}) {
  return loadConfig({
    flags: {
      "train-data": "unused.tar",
      precision: "amp_bf16",
      warmup: "0",
      "batch-size": "6",
      loss: "openclip",
      ...flags,
    },
  });
}

function createTest(vision_cfg: object, flags: FlagValues): Trainer {
  manualSeed(3);
  return createTrainer(configured(flags), {
    model: scope(() => new CLIP(parseModelConfig({ embed_dim: 16, vision_cfg, text_cfg }, "model"))),
    stepsPerEpoch: 4,
    microBatch: 6,
    group: ProcessGroup.alone(),
    createPairs: () => {
      throw new Error("the loss keeps nothing of a pair");
    },
  });
}

test.each(Object.entries(models))("%s: gradients in bfloat16 are the same numbers", (_, vision_cfg) => {
  for (const flags of [
    { opt: "adamw" },
    { opt: "lamb", "grad-clip-norm": "0.01" },
    { opt: "lion" },
    { opt: "sgd", "grad-clip-norm": "0.01" },
    { opt: "adamw", "grad-checkpointing": true },
  ]) {
    const [short, full] = [createTest(vision_cfg, flags), createTest(vision_cfg, flags)];
    for (const { parameters } of full.groups) for (const x of parameters.values()) setGradDType(x, "float32");
    const ids = arange(6, { dtype: "int64" });
    const inputs = { images: randn([6, 3, 32, 32]), tokens: randint(60, [6, 8], { dtype: "int64" }), ids };
    const [result, expected] = [short, full].map((trainer) => {
      manualSeed(5);
      return trainStep(trainer, inputs, { epoch: 0, step: 0 });
    });
    expect(result).toEqual(expected);
    const others = full.model.parameters();
    for (const [name, parameter] of short.model.parameters()) {
      const [own, other] = [parameter, others.get(name)!].map((x) => gradOf(x)!);
      if (!/embedding/.test(name) && parameter.shape.length >= 2) expect(own!.dtype, name).toBe("bfloat16");
      expect(other!.dtype).toBe("float32");
      // Clipping changes gradients in float32 where they lie.
      if (!("grad-clip-norm" in flags)) expect(own!.to("float32").eq(other!).all().item(), name).toBe(1);
      const [weight, same] = [parameter.detach(), others.get(name)!.detach()];
      expect(normOf([weight.sub(same)]), name).toBeLessThanOrEqual(1e-6 * normOf([same]));
    }
  }
});

test("they are in float32 where several are added, or come in float32", () => {
  const alone = { microBatch: 6, group: { size: 1 } };
  expect(matrixGradientType(configured(), alone)).toBe("bfloat16");
  expect(matrixGradientType(configured(), { ...alone, microBatch: 3 })).toBe("float32");
  expect(matrixGradientType(configured(), { microBatch: 3, group: { size: 2 } })).toBe("float32");
  expect(matrixGradientType(configured({ precision: "fp32" }), alone)).toBe("float32");
});
