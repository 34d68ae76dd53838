import { expect, test } from "vitest";
import { CLIP } from "./clip.ts";
import { parseModelConfig } from "./config.ts";
import { lockImageTower, lockTextTower } from "./lock.ts";

const text_cfg = { context_length: 8, vocab_size: 50, width: 16, heads: 2, layers: 3 };
const vit = { image_size: 16, layers: 3, width: 16, patch_size: 8, head_width: 8 };
const resNet = { image_size: 32, layers: [1, 1, 1, 1], width: 8, head_width: 32 };

const build = (vision_cfg: object): CLIP => new CLIP(parseModelConfig({ embed_dim: 8, vision_cfg, text_cfg }, "tiny"));

/** The parts of a model that are trained, blocks with their number. */
const trained = (model: CLIP): string[] => [
  ...new Set(
    [...model.parameters()]
      .filter(([, { requiresGrad }]) => requiresGrad)
      .map(([name]) => /^(visual\.)?(transformer\.resblocks\.\d+|\w+)/.exec(name)![0]),
  ),
];

const blocks = (numbers: number[], prefix = "") => numbers.map((i) => `${prefix}transformer.resblocks.${i}`);

// As OpenCLIP 3.3.0 leaves them with unlocked_groups (visual) and unlocked_layers (text) of the same number.
test.each([
  [0, ["logit_scale"]],
  [1, ["logit_scale", "text_projection", "visual.proj"]],
  [
    2,
    [
      ...["logit_scale", "text_projection", "ln_final", "visual.proj", "visual.ln_post"],
      ...blocks([2]),
      ...blocks([2], "visual."),
    ],
  ],
  [
    3,
    [
      ...["logit_scale", "text_projection", "ln_final", "visual.proj", "visual.ln_post"],
      ...blocks([1, 2]),
      ...blocks([1, 2], "visual."),
    ],
  ],
])("with %i groups unlocked, OpenCLIP's groups are trained", (unlocked, expected) => {
  const model = build(vit);
  lockImageTower(model, { unlockedGroups: unlocked, freezeBatchNorm: false });
  lockTextTower(model, { unlockedLayers: unlocked });
  expect(trained(model).sort()).toEqual([...expected].sort());
});

test("each tower is locked on its own, and a ResNet only whole", () => {
  const model = build(resNet);
  expect(() => lockImageTower(model, { unlockedGroups: 1, freezeBatchNorm: false })).toThrow(
    "a ResNet can only be locked whole, got 1 unlocked groups",
  );
  lockImageTower(model, { unlockedGroups: 0, freezeBatchNorm: true });
  expect(trained(model).filter((name) => name.startsWith("visual"))).toEqual([]);
  expect(trained(model)).toContain("token_embedding");
});
