import { expect, test } from "vitest";
import {
  autocast,
  backward,
  type DType,
  fusesBatchNorm,
  gradOf,
  manualSeed,
  randn,
  scope,
  type Tensor,
  tensorMemory,
} from "../tensor/index.ts";
import { BatchNorm2d } from "./batch-norm.ts";
import { Conv2d } from "./conv.ts";
import type { Remade } from "./remade.ts";

const [batch, channels, side] = [4, 32, 32];
const types: readonly DType[] = ["float32", "bfloat16"];
const isFused = fusesBatchNorm(randn([1, 1, 2, 1]), new BatchNorm2d(1));

/** A norm and a convolution forward, with or without the recipe, and back: all gradients, and the bytes that waited in between. */
function throughAndBack(type: DType, hand: (made: Remade) => Parameters<Conv2d["forward"]>): [Tensor[], number] {
  manualSeed(1);
  const [norm, conv] = [new BatchNorm2d(channels), new Conv2d(channels, 8, { kernel: 3, padding: 1 })];
  const picture = (of: number): Tensor =>
    randn([batch, of, side, side]).to(type).contiguous({ memoryFormat: "channelsLast" });
  const x = picture(channels).requireGrad();
  const before = tensorMemory().used;
  const forward = (): Tensor => scope(() => conv.forward(...hand(norm.rectified(x))));
  const output = type === "float32" ? forward() : autocast({ device: "cpu", dtype: "bfloat16" }, forward);
  const waiting = tensorMemory().used - before;
  backward([output], { gradients: [picture(8)] });
  return [[output, ...[x, norm.weight, norm.bias, conv.weight].map((leaf) => gradOf(leaf)!)], waiting];
}

test.runIf(isFused).each(types)("what is made again in %s does not wait, and changes no bit", (type) => {
  const [expected, kept] = throughAndBack(type, ({ value }) => [value]);
  const [found, waiting] = throughAndBack(type, ({ value, recipe }) => [value, recipe]);
  for (const [i, result] of found.entries()) expect(result.eq(expected[i]!).all().item()).toBe(1);
  const bytes = batch * channels * side ** 2 * (type === "float32" ? 4 : 2);
  expect(kept - waiting).toBeGreaterThan(0.9 * bytes);
});
