import { expect, test } from "vitest";
import { backward, gradOf, manualSeed, tensor } from "../tensor/index.ts";
import { gelu, quickGelu } from "./activation.ts";
import { MultiheadAttention } from "./attention.ts";
import { Conv2d } from "./conv.ts";
import { Embedding } from "./embedding.ts";
import { LayerNorm } from "./layer-norm.ts";
import { Linear } from "./linear.ts";

test("a linear layer starts as PyTorch's of the same seed", () => {
  manualSeed(0);
  const { weight, bias } = new Linear(3, 2);
  // torch.manual_seed(0); torch.nn.Linear(3, 2)
  const expected = [-0.004322518, 0.309715837, -0.475185335, -0.424894601, -0.222368971, 0.154820725];
  expect(weight.toArray().map((value, i) => Math.abs(value - expected[i]!) < 1e-7)).not.toContain(false);
  expect(bias.toArray()[1]).toBeCloseTo(0.457774937, 7);
});

test("attention starts as PyTorch's of the same seed", () => {
  manualSeed(0);
  const { inProjWeight, inProjBias, outProj } = new MultiheadAttention(2, 1);
  // torch.manual_seed(0); torch.nn.MultiheadAttention(2, 1)
  expect(inProjWeight.toArray()[0]).toBeCloseTo(-0.017158717, 7);
  expect(outProj.weight.toArray()[0]).toBeCloseTo(-0.005293981, 7);
  expect([...inProjBias.toArray(), ...outProj.bias.toArray()]).toEqual(new Array(8).fill(0));
});

test("linear, embedding and layer norm compute their formulas", () => {
  const linear = new Linear(2, 1);
  linear.weight.detach().copy_(tensor([[2, -1]].flat(), { shape: [1, 2] }));
  linear.bias.detach().fill_(0.5);
  expect(linear.forward(tensor([3, 4], { shape: [1, 2] })).toArray()).toEqual([2.5]);
  const embedding = new Embedding(3, 2);
  const row = embedding.weight.select(0, 2).toArray();
  expect(embedding.forward(tensor([2], { dtype: "int32" })).toArray()).toEqual(row);
  // Mean 2, variance 1: (1 - 2) / sqrt(1 + 1e-5).
  const normed = new LayerNorm(2).forward(tensor([1, 3], { shape: [1, 2] })).toArray();
  expect(normed[0]).toBeCloseTo(-1 / Math.sqrt(1 + 1e-5), 6);
});

test("a convolution lies channels-last in memory and has no bias", () => {
  const conv = new Conv2d(2, 4, { kernel: 3, stride: 2, padding: 1 });
  expect(conv.weight.shape).toEqual([4, 2, 3, 3]);
  expect(conv.weight.strides).toEqual([18, 1, 6, 2]);
  expect([...conv.parameters().keys()]).toEqual(["weight"]);
  expect(conv.forward(tensor(new Array(2 * 64).fill(1), { shape: [1, 2, 8, 8] })).shape).toEqual([1, 4, 4, 4]);
});

test.each([-4, -1, -0.1, 0, 0.3, 2, 6])("activations of %d", (x) => {
  const input = tensor(x, { dtype: "float64" }).requireGrad();
  const sigmoid = 1 / (1 + Math.exp(-1.702 * x));
  const output = quickGelu.forward(input);
  expect(output.toArray()[0]).toBeCloseTo(x * sigmoid, 12);
  backward([output]);
  expect(gradOf(input)!.toArray()[0]).toBeCloseTo(sigmoid + 1.702 * x * sigmoid * (1 - sigmoid), 12);
});

test("gelu is the exact one", () => {
  // Phi(1) = 0.841344746068543; the tanh approximation gives 0.84119.
  expect(gelu.forward(tensor(1, { dtype: "float64" })).toArray()[0]).toBeCloseTo(0.841344746068543, 12);
});
