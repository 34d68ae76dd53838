import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { modelConfig, modelNames } from "./presets.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-presets-"));
const vision_cfg = { image_size: 32, layers: 1, width: 64, patch_size: 8 };
const text_cfg = { context_length: 8, vocab_size: 50, width: 16, heads: 2, layers: 1 };

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

test("every name gives a valid configuration, QuickGELU where the name says so", () => {
  expect(modelNames).toEqual(expect.arrayContaining(["RN50", "RN101", "RN50x4", "ViT-S-32", "ViT-L-14-quickgelu"]));
  for (const name of modelNames) expect(modelConfig(name).quick_gelu, name).toBe(name.endsWith("-quickgelu"));
});

test("a name is OpenCLIP's configuration with its defaults filled in", () => {
  expect(modelConfig("RN50x4")).toEqual({
    embed_dim: 640,
    quick_gelu: false,
    vision_cfg: {
      image_size: 288,
      layers: [4, 6, 10, 6],
      width: 80,
      patch_size: null,
      head_width: 64,
      mlp_ratio: 4,
      patch_dropout: 0,
    },
    text_cfg: { context_length: 77, vocab_size: 49408, width: 640, heads: 10, layers: 12, mlp_ratio: 4 },
  });
});

test("an unknown name names the nearest", () => {
  expect(() => modelConfig("ViT-B32")).toThrow(
    "ViT-B32 is neither a model's name nor a file; the nearest names are ViT-B-32, ",
  );
  expect(() => modelConfig("rn50x5")).toThrow(/nearest names are RN50x4/);
});

test("a JSON file is read, alone or as a hub's configuration, by its path or its folder", () => {
  const bare = modelConfig(file("bare.json", { embed_dim: 8, vision_cfg, text_cfg }));
  expect(bare.vision_cfg).toEqual({ ...vision_cfg, head_width: 64, mlp_ratio: 4, patch_dropout: 0 });
  file("open_clip_config.json", { model_cfg: { embed_dim: 8, vision_cfg, text_cfg }, preprocess_cfg: {} });
  expect(modelConfig(folder)).toEqual(bare);
});

test("a file that is not JSON is refused with its name", () => {
  expect(() => modelConfig(file("broken.json", "{"))).toThrow(/broken\.json: not valid JSON/);
});
