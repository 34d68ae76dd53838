import { expect, test } from "vitest";
import {
  backward,
  gradOf,
  liveTensors,
  manualSeed,
  noGrad,
  randn,
  scope,
  setGrad,
  type Tensor,
  tensor,
} from "../tensor/index.ts";
import { CLIP, createModel } from "./clip.ts";
import { parseModelConfig } from "./config.ts";

const text_cfg = { context_length: 10, vocab_size: 50, width: 16, heads: 2, layers: 2 };
const vision_cfg = { image_size: 16, layers: 2, width: 16, patch_size: 8, head_width: 8 };
const tiny = parseModelConfig({ embed_dim: 8, vision_cfg, text_cfg }, "tiny");

// Ends (49, the highest id) at columns 3 and 5; what follows must not matter.
const ids = [
  [48, 7, 9, 49, 0, 0, 0, 0, 0, 0],
  [48, 1, 2, 3, 4, 49, 0, 0, 0, 0],
];
const full = tensor(ids.flat(), { shape: [2, 10], dtype: "int64" });

const distance = (a: Tensor, b: Tensor) => a.sub(b).abs().max().toArray()[0]!;

test.each([
  ["float64", 1e-12],
  ["float32", 1e-6],
] as const)("trimmed tokens give the features and gradients of the full context in %s", (dtype, rounding) => {
  manualSeed(1);
  const model = new CLIP(tiny).to({ dtype });
  const run = (tokens: Tensor) => {
    const features = model.encodeText(tokens);
    backward([features.square().sum()]);
    const gradients = [...model.parameters().values()].flatMap((parameter) => gradOf(parameter) ?? []);
    for (const parameter of model.parameters().values()) setGrad(parameter, null);
    return [features, ...gradients];
  };
  const expected = run(full);
  const trimmed = run(full.narrow(1, 0, 6).contiguous());
  expect(expected.length).toBeGreaterThan(25);
  const norm = (values: readonly Tensor[]): number => Math.hypot(...values.map((value) => value.norm().item()));
  expect(norm(trimmed.map((value, i) => value.sub(expected[i]!))) / norm(expected)).toBeLessThan(rounding);
});

test("texts have the features and gradients beside others that they have alone", () => {
  manualSeed(1);
  const model = new CLIP(tiny).to({ dtype: "float64" });
  const gradientsOf = (features: readonly Tensor[]): Tensor[] => {
    backward(features.map((x) => x.square().sum()));
    const gradients = [...model.parameters().values()].flatMap((parameter) => gradOf(parameter) ?? []);
    for (const parameter of model.parameters().values()) setGrad(parameter, null);
    return gradients;
  };
  const together = model.encodeText(full);
  const alone = [4, 6].map((length, row) => model.encodeText(full.narrow(0, row, 1).narrow(1, 0, length).contiguous()));
  for (const [row, features] of alone.entries())
    expect(distance(features, together.narrow(0, row, 1))).toBeLessThan(1e-12);
  const expected = gradientsOf(alone);
  for (const [i, gradient] of gradientsOf([together]).entries())
    expect(distance(gradient, expected[i]!)).toBeLessThan(1e-10);
});

test("tokens may be int32, and those behind the end change nothing", () => {
  const model = new CLIP(tiny);
  const expected = model.encodeText(full);
  expect(distance(model.encodeText(full.to("int32")), expected)).toBe(0);
  const other = ids.map((row) => row.map((id, i) => (i > row.indexOf(49) ? 30 : id)));
  expect(distance(model.encodeText(tensor(other.flat(), { shape: [2, 10], dtype: "int64" })), expected)).toBe(0);
});

test("a model whose weights are bfloat16 has the features of the same weights in float32, but for rounding", () => {
  manualSeed(1);
  const model = new CLIP(tiny);
  for (const parameter of model.parameters().values()) parameter.detach().copy_(parameter.detach().to("bfloat16"));
  const images = randn([2, 3, 16, 16]).to("bfloat16");
  const run = (pictures: Tensor): Tensor[] => [model.encodeText(full), model.encodeImage(pictures)];
  const expected = run(images.to("float32"));
  model.to({ dtype: "bfloat16" });
  const found = run(images);
  backward(found.map((features) => features.square().sum()));
  for (const [i, features] of found.entries()) {
    const exact = expected[i]!;
    expect(features.dtype).toBe("bfloat16");
    expect(features.to("float32").sub(exact).norm().item() / exact.norm().item()).toBeLessThan(0.02);
  }
});

test("pictures give the same features in either memory layout", () => {
  const model = new CLIP(tiny);
  const images = randn([2, 3, 16, 16]);
  const features = model.encodeImage(images);
  expect(features.shape).toEqual([2, 8]);
  expect(distance(model.encodeImage(images.contiguous({ memoryFormat: "channelsLast" })), features)).toBe(0);
});

test("input of a wrong shape is refused", () => {
  const model = new CLIP(tiny);
  expect(() => model.encodeImage(randn([2, 3, 16, 24]))).toThrow(
    "pictures must have the shape [batch, 3, 16, 16], got [2,3,16,24]",
  );
  expect(() => model.encodeText(tensor([1, 2], { dtype: "int64" }))).toThrow("[batch, at most 10], got [2]");
  expect(() => model.encodeText(tensor(new Array(11).fill(1), { shape: [1, 11], dtype: "int64" }))).toThrow("[1,11]");
});

test("the logit scale starts at the argument, else the configuration's, else ln(1/0.07)", () => {
  expect(new CLIP(tiny).logitScale.toArray()[0]).toBeCloseTo(2.65926, 6);
  const configured = { ...tiny, init_logit_scale: 2 };
  expect(new CLIP(configured).logitScale.toArray()).toEqual([2]);
  expect(new CLIP(configured, { logitScale: 1 }).logitScale.toArray()).toEqual([1]);
  expect(new CLIP(tiny).logitScale.shape).toEqual([]);
});

// Counts and first draws by OpenCLIP 3.3.0 with the same configuration after torch.manual_seed(3).
test.each([
  ["ViT-Ti-8-64", 7981057, "visual.proj", [0.09935853630304337, 0.18271809816360474]],
  ["RN-Ti-64", 8103705, "visual.layer4.0.conv3.weight", [-0.06214168295264244, -0.0308157317340374]],
  ["RN-Ti-64", 8103705, "visual.attnpool.c_proj.bias", [-0.02032586559653282, 0.02245482988655567]],
  ["RN-Ti-64", 8103705, "text_projection", [-0.037768080830574036, -0.0020778703037649393]],
] as const)("%s of a seed has OpenCLIP's %i weights: %s", (name, count, parameter, expected) => {
  const parameters = createModel(name, { seed: 3 }).parameters();
  expect([...parameters.values()].reduce((total, value) => total + value.numel, 0)).toBe(count);
  const drawn = parameters.get(parameter)!.toArray();
  for (const [i, value] of expected.entries()) expect(drawn[i]).toBeCloseTo(value, 7);
});

test("steps leave no tensors behind", () => {
  const model = new CLIP(tiny);
  const images = randn([2, 3, 16, 16]);
  const step = () =>
    scope(() => {
      backward([model.encodeImage(images).mul(model.encodeText(full)).sum()]);
      for (const parameter of model.parameters().values()) setGrad(parameter, null);
      noGrad(() => model.encodeImage(images));
    });
  step();
  const live = liveTensors();
  for (let i = 0; i < 5; i++) step();
  expect(liveTensors()).toBe(live);
});
