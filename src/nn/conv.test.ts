import { expect, test } from "vitest";
import { autocast, backward, conv2d, gradOf, manualSeed, randn, setGrad, type Tensor } from "../tensor/index.ts";
import { Conv2d } from "./conv.ts";

test.each([
  { kernel: 1, stride: 1, padding: 0, isLearnt: true },
  { kernel: 3, stride: 2, padding: 1, isLearnt: true },
  { kernel: 3, stride: 1, padding: 1, isLearnt: false },
])("under autocast the derivative that is written out is autograd's: %o", ({ kernel, stride, padding, isLearnt }) => {
  manualSeed(1);
  const module = new Conv2d(6, 10, { kernel, stride, padding });
  const { weight } = module;
  const x = randn([3, 6, 9, 7]).to("bfloat16").contiguous({ memoryFormat: "channelsLast" }).requireGrad(isLearnt);
  const throughAndBack = (body: () => Tensor): (Tensor | null)[] => {
    for (const leaf of [x, weight]) setGrad(leaf, null);
    const output = autocast({ device: "cpu", dtype: "bfloat16" }, body);
    manualSeed(2);
    backward([output], { gradients: [randn(output.shape).to("bfloat16")] });
    return [output.detach(), gradOf(weight)!.clone(), gradOf(x)?.clone() ?? null];
  };
  const found = throughAndBack(() => module.forward(x));
  const expected = throughAndBack(() => conv2d(x, weight, { stride: [stride, stride], padding: [padding, padding] }));
  for (const [i, result] of found.entries()) {
    expect(result?.dtype).toBe(expected[i]?.dtype);
    if (result !== null) expect(result.eq(expected[i]!).all().item()).toBe(1);
  }
  expect(found[2] === null).toBe(!isLearnt);
});

test.each(["contiguous", "channelsLast"] as const)(
  "a kernel of one pixel gives the convolution in float32 too, of %s pictures",
  (memoryFormat) => {
    manualSeed(1);
    const module = new Conv2d(20, 12, { kernel: 1 });
    const x = randn([3, 20, 9, 7]).contiguous({ memoryFormat }).requireGrad();
    const gradient = randn([3, 12, 9, 7]);
    const throughAndBack = (body: () => Tensor, leaves: readonly Tensor[]): Tensor[] => {
      for (const leaf of leaves) setGrad(leaf, null);
      const output = body();
      backward([output], { gradients: [gradient.to(output.dtype)] });
      return [output.detach(), ...leaves.map((leaf) => gradOf(leaf)!.clone())];
    };
    const [exactX, exactWeight] = [x, module.weight].map((leaf) => leaf.detach().to("float64").requireGrad()) as [
      Tensor,
      Tensor,
    ];
    const found = throughAndBack(() => module.forward(x), [x, module.weight]);
    const exact = throughAndBack(() => conv2d(exactX, exactWeight), [exactX, exactWeight]);
    for (const [i, result] of found.entries()) {
      expect(result.shape).toEqual(exact[i]!.shape);
      expect(result.sub(exact[i]!).norm().item()).toBeLessThan(1e-6 * exact[i]!.norm().item());
    }
  },
);
