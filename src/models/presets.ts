// Model configurations by name: OpenCLIP's, and two of our own for small pictures.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ModelConfig, parseModelConfig } from "./config.ts";
import { readObject } from "./fields.ts";
import { nearestNames } from "./nearest.ts";

/** The file that holds the configuration in a folder of saved weights, as on OpenCLIP's hubs. */
export const configFile = "open_clip_config.json";

const clipText = (width: number) => ({ context_length: 77, vocab_size: 49408, width, heads: width / 64, layers: 12 });
const smallText = { context_length: 32, vocab_size: 49408, width: 128, heads: 4, layers: 2 };
const resNet = (embed_dim: number, layers: readonly number[], text = 512, vision = { image_size: 224, width: 64 }) => ({
  embed_dim,
  vision_cfg: { ...vision, layers },
  text_cfg: clipText(text),
});
const vit = (embed_dim: number, patch_size: number, width: number, layers = 12) => ({
  embed_dim,
  vision_cfg: { image_size: 224, layers, width, patch_size },
  text_cfg: clipText(embed_dim),
});

const openAI = {
  RN50: resNet(1024, [3, 4, 6, 3]),
  RN101: resNet(512, [3, 4, 23, 3]),
  RN50x4: resNet(640, [4, 6, 10, 6], 640, { image_size: 288, width: 80 }),
  "ViT-B-32": vit(512, 32, 768),
  "ViT-B-16": vit(512, 16, 768),
  "ViT-L-14": vit(768, 14, 1024, 24),
};

const presets: Readonly<Record<string, object>> = {
  ...openAI,
  ...Object.fromEntries(
    Object.entries(openAI).map(([name, config]) => [`${name}-quickgelu`, { ...config, quick_gelu: true }]),
  ),
  "ViT-S-32": vit(384, 32, 384),
  "ViT-S-16": vit(384, 16, 384),
  "ViT-Ti-8-64": {
    embed_dim: 128,
    vision_cfg: { image_size: 64, layers: 6, width: 128, patch_size: 8, head_width: 32 },
    text_cfg: smallText,
  },
  "RN-Ti-64": {
    embed_dim: 128,
    vision_cfg: { image_size: 64, layers: [1, 1, 1, 1], width: 16 },
    text_cfg: smallText,
  },
};

/** The names that `modelConfig` knows. */
export const modelNames: readonly string[] = Object.keys(presets);

/**
 * The configuration of a model by its name (`ViT-B-32`), from a JSON file in OpenCLIP's format, or from a folder of saved
 * weights with its `open_clip_config.json`.
 */
export function modelConfig(nameOrPath: string): ModelConfig {
  if (Object.hasOwn(presets, nameOrPath)) return parseModelConfig(presets[nameOrPath], nameOrPath);
  if (existsSync(nameOrPath)) {
    const isFolder = statSync(nameOrPath).isDirectory();
    return readModelConfig(isFolder ? join(nameOrPath, configFile) : nameOrPath);
  }
  const near = nearestNames(nameOrPath, modelNames, 3);
  throw new Error(`${nameOrPath} is neither a model's name nor a file; the nearest names are ${near.join(", ")}`);
}

function readModelConfig(path: string): ModelConfig {
  const text = readFileSync(path, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: not valid JSON: ${(error as Error).message}`);
  }
  const fields = readObject(json, path);
  return parseModelConfig("model_cfg" in fields ? fields["model_cfg"] : fields, path);
}
