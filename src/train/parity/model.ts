// Replays a golden case of models: features, the gradient of every parameter and the statistics that batch norm keeps.
import { CLIP, parseModelConfig } from "../../models/index.ts";
import { backward, gradOf, type NamedTensors, scope, type Tensor } from "../../tensor/index.ts";
import type { Comparison, Tolerance } from "./compare.ts";

// The golden vectors' own bound for models. Below the floor a float32 gradient of these sizes is rounding noise.
const tolerance: Tolerance = { relativeToLargest: 1e-4, atol: 1e-6 };

/** Loads the case's weights, runs forward and backward as its settings say, and pairs all results with the expected ones. */
export function replayModel(settings: unknown, tensors: NamedTensors): Comparison[] {
  const { mode, model: config } = settings as { mode: "train" | "eval"; model: unknown };
  return scope(() => {
    const model = new CLIP(parseModelConfig(config, "model")).train(mode === "train");
    const state = model.stateDict();
    const given = withPrefix("param.", tensors);
    for (const [name, tensor] of state)
      if (name.endsWith(".num_batches_tracked") && !given.has(name)) given.set(name, tensor);
    model.loadStateDict(given);
    const results = new Map([
      ...run(model, tensors),
      ...prefixed("grad.", gradients(model)),
      ...prefixed("after.", new Map([...model.buffers()].map(([name, tensor]) => [name, tensor.clone()]))),
    ]);
    model.free();
    return expectedNames(tensors).map((name) => {
      const actual = results.get(name);
      if (actual === undefined) throw new Error(`the model has nothing that is named ${name}`);
      return { name, actual, expected: tensors.get(name)!, tolerance };
    });
  });
}

/** Features and logit scale, after pushing the gradients of the objective back. */
function run(model: CLIP, tensors: NamedTensors): [string, Tensor][] {
  const get = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the case lacks the tensor ${name}`);
    return tensor;
  };
  const image = normalise(model.encodeImage(get("image")));
  const text = normalise(model.encodeText(get("text")));
  const scale = model.logitScale.exp();
  const ofText = text.mul(get("text_weight")).sum().mul(scale).mul(0.01);
  backward([image.mul(get("image_weight")).sum().add(ofText)]);
  return [
    ["image_features", image],
    ["text_features", text],
    ["logit_scale", scale.view([1])],
  ];
}

function normalise(features: Tensor): Tensor {
  return features.div(features.norm({ dim: [1], keepdim: true }));
}

function gradients(model: CLIP): Map<string, Tensor> {
  return new Map([...model.parameters()].map(([name, tensor]) => [name, gradOf(tensor) ?? tensor.zerosLike()]));
}

function expectedNames(tensors: NamedTensors): string[] {
  const features = ["image_features", "text_features", "logit_scale"];
  return [...tensors.keys()].filter((name) => features.includes(name) || /^(grad|after)\./.test(name));
}

function withPrefix(prefix: string, tensors: NamedTensors): Map<string, Tensor> {
  const matching = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(matching.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function prefixed(prefix: string, tensors: Map<string, Tensor>): [string, Tensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}
