import { expect, test } from "vitest";
import { backward, gradOf, manualSeed, randn, setGrad, type Tensor } from "../tensor/index.ts";
import { averagePool } from "./average-pool.ts";

test.each([
  { name: "what squares cover", shape: [2, 3, 6, 4], type: "float64" },
  { name: "bfloat16", shape: [2, 5, 4, 4], type: "bfloat16" },
  { name: "what leaves a rest", shape: [2, 3, 7, 4], type: "float32" },
] as const)("$name is pooled as libtorch does, and back", ({ shape, type }) => {
  manualSeed(1);
  const x = randn(shape).to(type).contiguous({ memoryFormat: "channelsLast" }).requireGrad();
  const throughAndBack = (body: () => Tensor): Tensor[] => {
    setGrad(x, null);
    const output = body();
    manualSeed(2);
    backward([output], { gradients: [randn(output.shape).to(type)] });
    return [output.detach(), gradOf(x)!.clone()];
  };
  const found = throughAndBack(() => averagePool(x, 2));
  const expected = throughAndBack(() => x.avgPool2d([2, 2]));
  for (const [i, result] of found.entries()) expect(result.eq(expected[i]!).all().item()).toBe(1);
});
