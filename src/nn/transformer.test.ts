import { expect, test } from "vitest";
import { autocast, backward, gradOf, manualSeed, randn, setGrad, type Tensor, tensor } from "../tensor/index.ts";
import { gelu, quickGelu } from "./activation.ts";
import { MultiheadAttention } from "./attention.ts";
import { LayerNorm } from "./layer-norm.ts";
import type { Module } from "./module.ts";
import { Perceptron } from "./perceptron.ts";
import { type Branch, residual } from "./residual.ts";
import { Transformer } from "./transformer.ts";

test.each([1, 3])("reading one token of %d blocks equals running all tokens and then taking it", (layers) => {
  manualSeed(2);
  const options = { width: 8, layers, heads: 2, mlpRatio: 2, activation: gelu };
  const transformer = new Transformer(options).to({ dtype: "float64" });
  const x = randn([3, 6, 8], { dtype: "float64" });
  const all = transformer.blocks.reduce((h, block) => block.forward(h, { isCausal: true }), x);
  const mask = tensor([1, 1, 1, 1, 0, 0], { shape: [1, 1, 1, 6] }).to("bool");
  const before = transformer.blocks.slice(0, -1).reduce((h, block) => block.forward(h, { isCausal: true }), x);
  const one = transformer.blocks.at(-1)!.forwardPicked(before, { from: (h) => h.narrow(1, 3, 1), mask });
  expect(one.shape).toEqual([3, 1, 8]);
  expect(
    one
      .sub(all.narrow(1, 3, 1))
      .abs()
      .max()
      .toArray()[0],
  ).toBeLessThan(1e-12);
});

test("parameters have OpenCLIP's names", () => {
  const names = [
    ...new Transformer({ width: 4, layers: 1, heads: 1, mlpRatio: 4, activation: gelu }).parameters().keys(),
  ];
  expect(names).toEqual(
    [
      ...["ln_1.weight", "ln_1.bias"],
      ...["attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias"],
      ...["ln_2.weight", "ln_2.bias"],
      ...["mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"],
    ].map((name) => `resblocks.0.${name}`),
  );
});

interface Written<Kept extends string> {
  readonly module: Module;
  readonly branch: Branch<Kept>;
  /** The same, whose derivative autograd finds. */
  readonly plain: (h: Tensor) => Tensor;
}

function attention(isCausal: boolean): Written<string> {
  const module = new MultiheadAttention(8, 2);
  return { module, branch: module.branch({ isCausal }), plain: (h) => module.forward(h, { isCausal }) };
}

function perceptron(activation: typeof gelu): Written<string> {
  const module = new Perceptron(8, 20, activation);
  return { module, branch: module.branch(), plain: (h) => module.forward(h) };
}

const relative = (found: Tensor, expected: Tensor): number =>
  found.to("float64").sub(expected.to("float64")).norm().item() / expected.to("float64").norm().item();

/** What comes out of `body`, and the gradients of its inputs for a fixed gradient of that. */
function throughAndBack(inputs: readonly Tensor[], body: () => Tensor): Tensor[] {
  for (const input of inputs) setGrad(input, null);
  const output = body();
  manualSeed(7);
  backward([output], { gradients: [randn(output.shape).to(output.dtype)] });
  return [output.detach(), ...inputs.map((input) => gradOf(input)!.clone())];
}

const written: [string, () => Written<string>][] = [
  ["attention", () => attention(false)],
  ["causal attention", () => attention(true)],
  ["the perceptron with GELU", () => perceptron(gelu)],
  ["the perceptron with quick GELU", () => perceptron(quickGelu)],
];

test.each(written)("%s: the derivative that is written out is autograd's", (_, make) => {
  manualSeed(3);
  const { module, branch, plain } = make();
  module.to({ dtype: "float64" });
  const norm = new LayerNorm(8).to({ dtype: "float64" });
  for (const parameter of [...module.parameters().values(), norm.weight, norm.bias])
    parameter.detach().add_(randn(parameter.shape, { dtype: "float64" }).mul_(0.3));
  const x = randn([3, 6, 8], { dtype: "float64" }).requireGrad();
  const inputs = [x, norm.weight, norm.bias, ...branch.parameters];
  expect(branch.parameters.length).toBe(module.parameters().size);
  const found = throughAndBack(inputs, () => residual(x, { norm, branch }));
  const expected = throughAndBack(inputs, () => x.add(plain(norm.forward(x))));
  for (const [i, value] of found.entries()) expect(relative(value, expected[i]!)).toBeLessThan(1e-12);
});

test.each(written)("%s in bfloat16 is not farther from float32 than libtorch's kernels", (_, make) => {
  manualSeed(3);
  const { branch, plain } = make();
  const norm = new LayerNorm(8);
  const x = randn([16, 12, 8]).requireGrad();
  const inputs = [x, ...branch.parameters];
  const rounded = (body: () => Tensor): Tensor[] =>
    throughAndBack(inputs, () => autocast({ device: "cpu", dtype: "bfloat16" }, body));
  const exact = throughAndBack(inputs, () => x.add(plain(norm.forward(x))));
  const errors = (values: readonly Tensor[]): number => Math.hypot(...values.map((v, i) => relative(v, exact[i]!)));
  const found = rounded(() => residual(x, { norm, branch }));
  expect(found[0]!.dtype).toBe("float32");
  expect(errors(found)).toBeLessThan(1.25 * errors(rounded(() => x.add(plain(norm.forward(x))))));
});

test("samples whose scores do not fit take turns, to the same numbers", () => {
  manualSeed(3);
  const module = new MultiheadAttention(4, 1);
  const norm = new LayerNorm(4);
  const x = randn([3, 1300, 4]).requireGrad(); // 1.7 million scores each, of 4.2 million at a time
  const inputs = [x, ...module.parameters().values()];
  const all = throughAndBack(inputs, () => residual(x, { norm, branch: module.branch({ isCausal: true }) }));
  const expected = throughAndBack(inputs, () => x.add(module.forward(norm.forward(x), { isCausal: true })));
  for (const [i, value] of all.entries()) expect(relative(value, expected[i]!)).toBeLessThan(1e-4);
});

test("weights that are locked get no gradient, what lies before them does", () => {
  manualSeed(3);
  const { module, branch } = attention(false);
  for (const parameter of module.parameters().values()) parameter.requireGrad(false);
  const norm = new LayerNorm(8);
  const x = randn([2, 3, 8]).requireGrad();
  backward([residual(x, { norm, branch }).sum()]);
  expect([...module.parameters().values()].map(gradOf)).toEqual([null, null, null, null]);
  expect(gradOf(x)!.norm().item()).toBeGreaterThan(0);
});
