import { expect, test } from "vitest";
import { arange, backward, gradOf, manualSeed } from "../tensor/index.ts";
import { PatchDropout } from "./patch-dropout.ts";

const tokens = () => arange(16, { dtype: "float32" }).view([2, 8, 1]);

// By OpenCLIP 3.3.0's PatchDropout(0.5), called twice after torch.manual_seed(11).
const first = [0, 2, 1, 7, 8, 12, 9, 10];
const second = [0, 5, 3, 1, 8, 9, 10, 12];

test("training keeps the class token and OpenCLIP's choice of patches, another each time", () => {
  const dropout = new PatchDropout(0.5);
  manualSeed(11);
  expect(dropout.forward(tokens()).toArray()).toEqual(first);
  expect(dropout.forward(tokens()).toArray()).toEqual(second);
});

test("gradients go to the tokens that were kept", () => {
  manualSeed(11);
  const x = tokens().requireGrad();
  backward([new PatchDropout(0.5).forward(x).sum()]);
  expect(gradOf(x)!.toArray()).toEqual(Array.from({ length: 16 }, (_, i) => (first.includes(i) ? 1 : 0)));
});

test("one patch stays at the least; evaluation and a share of 0 keep all", () => {
  expect(new PatchDropout(0.99).forward(tokens()).shape).toEqual([2, 2, 1]);
  const all = tokens().toArray();
  expect(new PatchDropout(0.5).eval().forward(tokens()).toArray()).toEqual(all);
  expect(new PatchDropout(0).forward(tokens()).toArray()).toEqual(all);
});
