import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensors, type Tensor, tensor, writeSafetensors, zeros } from "../tensor/index.ts";
import { CLIP } from "./clip.ts";
import { parseModelConfig } from "./config.ts";
import { modelConfig } from "./presets.ts";
import { loadWeights, saveModel, weightsFile } from "./weights.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-weights-"));
const config = parseModelConfig(
  {
    embed_dim: 8,
    vision_cfg: { image_size: 32, layers: [1, 1, 1, 1], width: 2, head_width: 32 },
    text_cfg: { context_length: 8, vocab_size: 50, width: 16, heads: 2, layers: 1 },
  },
  "tiny",
);
const values = (model: CLIP) => [...model.stateDict().values()].map((tensor) => tensor.toArray());

/** Writes a changed state dict and gives the file's path. */
async function write(model: CLIP, change: (state: Map<string, Tensor>) => Map<string, Tensor>): Promise<string> {
  const path = join(folder, "changed.safetensors");
  await writeSafetensors(path, change(model.stateDict()));
  return path;
}

test("a saved folder loads again: configuration, weights and statistics", async () => {
  const model = new CLIP(config);
  model.buffers().get("visual.bn1.num_batches_tracked")!.fill_(5);
  const hashes = await saveModel(folder, model);
  const written = createHash("sha256").update(readFileSync(join(folder, weightsFile)));
  expect(hashes).toEqual({ [weightsFile]: written.digest("hex") });
  expect(modelConfig(folder)).toEqual(config);
  const { preprocess_cfg } = JSON.parse(readFileSync(join(folder, "open_clip_config.json"), "utf8"));
  expect(preprocess_cfg.mean).toEqual([0.48145466, 0.4578275, 0.40821073]);
  const names = [...readSafetensors(join(folder, weightsFile)).tensors.keys()];
  expect(names.sort()).toEqual([...model.stateDict().keys()].sort());
  const other = new CLIP(config);
  expect(values(other)).not.toEqual(values(model));
  loadWeights(other, folder);
  expect(values(other)).toEqual(values(model));
});

test("what other writers do differently is accepted", async () => {
  const model = new CLIP(config);
  const path = await write(model, (state) => {
    state.set("logit_scale", model.logitScale.view([1]));
    state.set("attn_mask", zeros([8, 8]));
    for (const name of state.keys()) if (name.endsWith("num_batches_tracked")) state.delete(name);
    return new Map([...state].map(([name, tensor]) => [`module.${name}`, tensor.detach().to("float64")]));
  });
  const other = new CLIP(config);
  loadWeights(other, path);
  expect(values(other)).toEqual(values(model));
});

test("a file of another model is refused with its name", async () => {
  const model = new CLIP(config);
  const path = await write(model, (state) => {
    state.delete("text_projection");
    return state.set("visual.proj", zeros([2, 2]));
  });
  const refused = () => loadWeights(new CLIP(config), path);
  expect(refused).toThrow(/changed\.safetensors: the state does not fit the model: the state lacks text_projection/);
  expect(refused).toThrow("the model has no visual.proj");
});

const torchFile = (name: string): string => join(import.meta.dirname, "../tensor/torch-file/fixtures", name);
/** The model of those files (made by make.py beside them). */
const saved = parseModelConfig(
  {
    embed_dim: 3,
    vision_cfg: { image_size: 8, layers: 1, width: 4, patch_size: 4, head_width: 2 },
    text_cfg: { context_length: 4, vocab_size: 6, width: 4, heads: 2, layers: 1 },
  },
  "saved",
);

test("a checkpoint of OpenCLIP's training gives the features that OpenCLIP computes with it", () => {
  const model = new CLIP(saved);
  loadWeights(model, torchFile("epoch_1.pt"));
  const expected = JSON.parse(readFileSync(torchFile("epoch_1.json"), "utf8"));
  const pixels = Array.from({ length: 192 }, (_, i) => -1 + (2 * i) / 191);
  const image = model.encodeImage(tensor(pixels, { shape: [1, 3, 8, 8] }));
  const text = model.encodeText(tensor([1, 2, 5, 0], { shape: [1, 4], dtype: "int64" }));
  const unit = (features: Tensor): number[] => {
    const values = features.detach().toArray();
    return values.map((value) => value / Math.hypot(...values));
  };
  for (const [i, value] of unit(image).entries()) expect(value).toBeCloseTo(expected.image[i], 5);
  for (const [i, value] of unit(text).entries()) expect(value).toBeCloseTo(expected.text[i], 5);
  expect(model.logitScale.item()).toBeCloseTo(expected.scale, 6);
});

test("a TorchScript archive in float16 fits the same model", () => {
  const [model, half] = [new CLIP(saved), new CLIP(saved)];
  loadWeights(model, torchFile("epoch_1.pt"));
  loadWeights(half, torchFile("script.pt"));
  const [exact, rounded] = [values(model).flat(), values(half).flat()];
  expect(rounded.filter((value, i) => Math.abs(value - exact[i]!) > 2e-3)).toEqual([]);
});

test("a folder of OpenCLIP's hubs may hold its weights as a file of torch.save", () => {
  const hub = mkdtempSync(join(folder, "hub-"));
  copyFileSync(torchFile("epoch_1.pt"), join(hub, "open_clip_pytorch_model.bin"));
  const [model, other] = [new CLIP(saved), new CLIP(saved)];
  loadWeights(model, torchFile("epoch_1.pt"));
  loadWeights(other, hub);
  expect(values(other)).toEqual(values(model));
});
