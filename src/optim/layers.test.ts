import { expect, test } from "vitest";
import { tensor } from "../tensor/index.ts";
import { parameterGroups } from "./groups.ts";
import { withLayerDecay } from "./layers.ts";

const matrix = [1, 1];
const vector = [1];

/** The power of the decay for each parameter, given by its shape. */
function powers(shapes: Readonly<Record<string, number[]>>): Record<string, number> {
  const parameters = new Map(
    Object.entries(shapes).map(([name, shape]) => [name, tensor([1], { shape }).requireGrad()]),
  );
  const groups = withLayerDecay(parameterGroups(parameters, 0.1), 0.5);
  const entries = groups.flatMap((group) =>
    [...group.parameters.keys()].map((name): [string, number] => [name, Math.log2(1 / group.lrScale!)]),
  );
  expect(entries.length).toBe(parameters.size);
  return Object.fromEntries(entries);
}

test("a vision transformer decays from its head to its embeddings, and the text tower by itself", () => {
  const expected = {
    positional_embedding: 2,
    text_projection: 0,
    logit_scale: 0,
    "visual.class_embedding": 4,
    "visual.positional_embedding": 4,
    "visual.proj": 0,
    "visual.conv1.weight": 4,
    "visual.ln_pre.weight": 4,
    "visual.transformer.resblocks.0.ln_1.weight": 3,
    "visual.transformer.resblocks.1.mlp.c_fc.weight": 2,
    "visual.transformer.resblocks.2.attn.in_proj_weight": 1,
    "visual.ln_post.weight": 0,
    "transformer.resblocks.0.attn.out_proj.bias": 1,
    "token_embedding.weight": 2,
    "ln_final.bias": 0,
  };
  expect(powers(Object.fromEntries(Object.keys(expected).map((name) => [name, matrix])))).toEqual(expected);
});

test("a ResNet decays by its stages", () => {
  const expected = {
    "visual.conv1.weight": 5,
    "visual.bn3.bias": 5,
    "visual.layer1.0.conv1.weight": 4,
    "visual.layer1.2.bn1.weight": 4,
    "visual.layer2.0.downsample.0.weight": 3,
    "visual.layer4.2.conv3.weight": 1,
    "visual.attnpool.positional_embedding": 0,
    "visual.attnpool.c_proj.weight": 0,
    "transformer.resblocks.11.ln_2.weight": 1,
    "transformer.resblocks.0.ln_2.weight": 12,
  };
  expect(powers(Object.fromEntries(Object.keys(expected).map((name) => [name, vector])))).toEqual(expected);
});

test("groups keep their name and their weight decay, one for each scale", () => {
  const names = ["token_embedding.weight", "transformer.resblocks.0.mlp.weight", "transformer.resblocks.0.attn.weight"];
  const parameters = new Map(names.map((name) => [name, tensor([1], { shape: matrix }).requireGrad()]));
  parameters.set("ln_final.bias", tensor([1]).requireGrad());
  const groups = withLayerDecay(parameterGroups(parameters, 0.1), 0.5);
  expect(
    groups.map(({ name, weightDecay, lrScale, parameters: members }) => ({
      name,
      weightDecay,
      lrScale,
      size: members.size,
    })),
  ).toEqual([
    { name: "gainsAndBiases", weightDecay: 0, lrScale: 1, size: 1 },
    { name: "weights", weightDecay: 0.1, lrScale: 0.25, size: 1 },
    { name: "weights", weightDecay: 0.1, lrScale: 0.5, size: 2 },
  ]);
});

test("a decay of 1 changes nothing", () => {
  const groups = parameterGroups(new Map([["visual.proj", tensor([1], { shape: matrix }).requireGrad()]]), 0.1);
  expect(withLayerDecay(groups, 1).map(({ lrScale }) => lrScale)).toEqual([1]);
});

test("a parameter that collects no gradient is in no group", () => {
  const parameters = new Map([
    ["a", tensor([1])],
    ["b", tensor([1]).requireGrad()],
  ]);
  expect(parameterGroups(parameters, 0).map((group) => [...group.parameters.keys()])).toEqual([["b"], [], []]);
});
