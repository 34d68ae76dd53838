import { expect, test } from "vitest";
import { type Tensor, tensor } from "../tensor/index.ts";
import { clipGradients, gradientNorm } from "./clip.ts";

const gradients = (): Tensor[] => [tensor([3, 0]), tensor([0, 4], { shape: [2, 1] }), tensor(12)];

function clipped(maxNorm: number): number[][] {
  const list = gradients();
  clipGradients(list, { norm: gradientNorm(list), maxNorm });
  return list.map((gradient) => gradient.toArray());
}

test("the norm is that of all gradients together", () => {
  expect(gradientNorm(gradients()).item()).toBe(13); // sqrt(9 + 16 + 144)
});

test("gradients that are too long together are cut to the largest norm, in their direction", () => {
  const flat = clipped(6.5).flat();
  for (const [i, value] of [1.5, 0, 0, 2, 6].entries()) expect(flat[i]).toBeCloseTo(value, 5);
});

test("gradients that are short enough, or 0, stay what they are", () => {
  expect(clipped(14)).toEqual([[3, 0], [0, 4], [12]]);
  const zero = [tensor([0, 0])];
  clipGradients(zero, { norm: gradientNorm(zero), maxNorm: 1 });
  expect(zero[0]!.toArray()).toEqual([0, 0]);
});
