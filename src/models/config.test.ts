import { expect, test } from "vitest";
import { parseModelConfig } from "./config.ts";

const vision = { image_size: 32, layers: 1, width: 64, patch_size: 8 };
const text = { context_length: 8, vocab_size: 50, width: 16, heads: 2, layers: 1 };
const parse = (model: object, vision_cfg: object = {}, text_cfg: object = {}) =>
  parseModelConfig(
    { embed_dim: 8, vision_cfg: { ...vision, ...vision_cfg }, text_cfg: { ...text, ...text_cfg }, ...model },
    "m.json",
  );

test("fields that leave the model as it is are accepted and left out", () => {
  const plain = parse({});
  const harmless = { attentional_pool: false, attn_pooler_heads: 8, ls_init_value: null, pool_type: "tok" };
  expect(parse({ custom_text: false }, harmless, { pool_type: "argmax", embed_cls: false })).toEqual(plain);
});

test.each([
  [{}, { timm_model_name: "convnext_base" }, {}, 'm.json: vision_cfg: timm_model_name = "convnext_base" asks for'],
  [{}, { pool_type: "avg" }, {}, "vision_cfg: pool_type"],
  [{}, { ls_init_value: 1e-5 }, {}, "vision_cfg: ls_init_value"],
  [{}, {}, { hf_model_name: "roberta-base" }, "text_cfg: hf_model_name"],
  [{ custom_text: true }, {}, {}, "m.json: custom_text = true asks for a model that is not supported"],
  [{}, { wdith: 3 }, {}, "m.json: vision_cfg: the field wdith is not known"],
  [{}, { constructor: 3 }, {}, "the field constructor is not known"],
  [{ embed_dim: "8" }, {}, {}, 'm.json: embed_dim must be a positive whole number, got "8"'],
  [{ vision_cfg: [] }, {}, {}, "m.json: vision_cfg must be an object, got []"],
  [{ quick_gelu: 1 }, {}, {}, "m.json: quick_gelu must be true or false, got 1"],
  [{}, { layers: [1, 2, 3] }, {}, "vision_cfg.layers must be the blocks of four stages, got [1,2,3]"],
  [{}, { layers: [1, 1, 1, 0] }, {}, "vision_cfg.layers[3] must be a positive whole number, got 0"],
  [{}, { layers: [1, 1, 1, 1], image_size: 48 }, {}, "a multiple of 32"],
  [{}, { image_size: [32, 16] }, {}, "vision_cfg.image_size must be a positive whole number, got [32,16]"],
  [{}, { head_width: 48 }, {}, "vision_cfg.head_width must be a divisor of the attention's width 64, got 48"],
  [{}, { patch_size: 64 }, {}, "vision_cfg.patch_size must be at most the image_size 32, got 64"],
  [{}, { mlp_ratio: 0 }, {}, "vision_cfg.mlp_ratio must be a positive number, got 0"],
  [{}, { patch_dropout: 1 }, {}, "vision_cfg.patch_dropout must be a share of at least 0 and below 1, got 1"],
  [{}, { layers: [1, 1, 1, 1], patch_dropout: 0.5 }, {}, "vision_cfg.patch_dropout must be 0 for a ResNet"],
  [{}, {}, { heads: 3 }, "text_cfg.heads must be a divisor of the width 16, got 3"],
])("%j %j %j is refused: %s", (model, vision_cfg, text_cfg, message) => {
  expect(() => parse(model, vision_cfg, text_cfg)).toThrow(message);
});
