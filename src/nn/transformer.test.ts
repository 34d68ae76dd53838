import { expect, test } from "vitest";
import { manualSeed, randn, tensor } from "../tensor/index.ts";
import { gelu } from "./activation.ts";
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
