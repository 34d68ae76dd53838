import { expect, test } from "vitest";
import { createModel, parseModelConfig } from "../../models/index.ts";
import { modelConfig } from "../../models/presets.ts";
import { type StageSize, towerSizes } from "./tower-size.ts";

const parametersOf = (stages: readonly StageSize[]): number =>
  stages.reduce((sum, { parameters }) => sum + parameters, 0);

// The sums of OpenCLIP's own models; its profiles name 102.01, 151.28 and 149.62 million.
test.each([
  ["RN50", 38_316_896, 63_690_240],
  ["ViT-B-32", 87_849_216, 63_428_096],
  ["ViT-B-16", 86_192_640, 63_428_096],
] as const)("%s has OpenCLIP's numbers of parameters", (name, image, text) => {
  const sizes = towerSizes(modelConfig(name), "fp32");
  expect(parametersOf(sizes.image)).toBe(image);
  expect(parametersOf(sizes.text)).toBe(text);
});

test.each(["ViT-Ti-8-64", "RN-Ti-64"])("%s: stage by stage what the model itself has", (name) => {
  const model = createModel(name);
  const sizes = towerSizes(model.config, "fp32");
  expect(sizes.image).toHaveLength(model.stages.image.length);
  expect(sizes.text).toHaveLength(model.stages.text.length);
  let [image, text] = [0, -1]; // logit_scale belongs to neither tower
  for (const [parameter, { numel }] of model.parameters())
    if (parameter.startsWith("visual.")) image += numel;
    else text += numel;
  expect(parametersOf(sizes.image)).toBe(image);
  expect(parametersOf(sizes.text)).toBe(text);
  model.free();
});

test("patch dropout takes tokens away, and no parameters", () => {
  const config = modelConfig("ViT-B-32");
  const half = parseModelConfig({ ...config, vision_cfg: { ...config.vision_cfg, patch_dropout: 0.5 } }, "half");
  const [all, fewer] = [towerSizes(config, "fp32").image, towerSizes(half, "fp32").image];
  expect(parametersOf(fewer)).toBe(parametersOf(all));
  // 49 patches and the class token; 24 of them and the class token.
  expect(fewer[1]!.kept / all[1]!.kept).toBeCloseTo(25 / 50, 6);
});
