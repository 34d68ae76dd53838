// Weights on disk under OpenCLIP's names: safetensors or PyTorch's own files, in a folder laid out as on OpenCLIP's hubs.
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isTorchFile, readSafetensors, readTorchFile, scope, type Tensor, writeSafetensors } from "../tensor/index.ts";
import type { CLIP } from "./clip.ts";
import { configFile } from "./presets.ts";

/** The file of weights in a saved folder. */
export const weightsFile = "open_clip_model.safetensors";
/** What OpenCLIP's hubs call the same weights in PyTorch's own format; taken where a folder has no other. */
const torchWeightsFile = "open_clip_pytorch_model.bin";

/** How pictures are prepared for a model, in the format of OpenCLIP's `preprocess_cfg`. */
export interface PreprocessConfig {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly interpolation?: "bicubic" | "bilinear";
  readonly resize_mode?: "shortest" | "longest" | "squash";
}

/** OpenAI's statistics of pictures in 0..1, red, green and blue; OpenCLIP's default. */
const openAIPreprocess: PreprocessConfig = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

// OpenAI's files and those converted from them hold these constants of the model, or of its blocks, beside the weights.
const constants = new Set(["attn_mask", "input_resolution", "context_length", "vocab_size"]);

/**
 * Copies the weights of a safetensors file, of a file of torch.save, or of a saved folder into the model. What OpenCLIP's files may differ in is
 * accepted: other floating-point types, a `module.` before every name, constants beside the weights, a logit scale of shape
 * [1], no counts of batches, a bias of the logits that only one side has. Any other missing, unexpected or differently shaped tensor is an error that names it.
 */
export function loadWeights(model: CLIP, path: string): void {
  const file = statSync(path).isDirectory() ? fileIn(path) : path;
  scope(() => {
    const tensors = isTorchFile(file) ? readTorchFile(file) : readSafetensors(file).tensors;
    try {
      model.loadStateDict(adapt(tensors, model.stateDict()));
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message}`);
    }
  });
}

function fileIn(folder: string): string {
  const [first, second] = [join(folder, weightsFile), join(folder, torchWeightsFile)];
  return !existsSync(first) && existsSync(second) ? second : first;
}

function adapt(tensors: Map<string, Tensor>, own: Map<string, Tensor>): Map<string, Tensor> {
  const prefix = [...tensors.keys()].every((name) => name.startsWith("module.")) ? "module." : "";
  const state = new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  for (const name of state.keys()) if (constants.has(name.slice(name.lastIndexOf(".") + 1))) state.delete(name);
  for (const [name, tensor] of own)
    if (name.endsWith(".num_batches_tracked") && !state.has(name)) state.set(name, tensor);
  // Only models for SigLIP's loss have a bias; others leave it, and it begins as configured where the file has none.
  const bias = own.get("logit_bias");
  if (bias === undefined) state.delete("logit_bias");
  else if (!state.has("logit_bias")) state.set("logit_bias", bias);
  const logitScale = state.get("logit_scale");
  if (logitScale?.numel === 1) state.set("logit_scale", logitScale.view([]));
  return state;
}

/**
 * Writes weights and configuration into a folder that OpenCLIP loads as `local-dir:FOLDER`. Returns the SHA-256 of the file of weights by its
 * name, as `seal` takes it.
 */
export async function saveModel(
  folder: string,
  model: CLIP,
  options: { preprocess?: PreprocessConfig; metadata?: Readonly<Record<string, string>> } = {},
): Promise<Record<string, string>> {
  const { preprocess = openAIPreprocess, metadata } = options;
  mkdirSync(folder, { recursive: true });
  const hash = await writeSafetensors(join(folder, weightsFile), model.stateDict(), metadata);
  const config = { model_cfg: model.config, preprocess_cfg: preprocess };
  writeFileSync(join(folder, configFile), `${JSON.stringify(config, null, 2)}\n`);
  return { [weightsFile]: hash };
}
