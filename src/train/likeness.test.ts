import { expect, test } from "vitest";
import { randn, scope, type Tensor, tensor } from "../tensor/index.ts";
import { unitNorm } from "./encode.ts";
import { likeness } from "./likeness.ts";

/** The mean of the cosines themselves, pair by pair. */
function pairByPair(features: Tensor): number {
  const rows = features.size(0);
  const cosines = features.matmul(features.t()).toArray();
  const others = cosines.filter((_, at) => Math.floor(at / rows) !== at % rows);
  return others.reduce((sum, value) => sum + value, 0) / others.length;
}

test.each([2, 7, 64])("of %i rows is the mean of the cosines between them", (rows) => {
  scope(() => {
    const features = unitNorm(randn([rows, 16]).add(0.3));
    expect(likeness(features)).toBeCloseTo(pairByPair(features), 5);
  });
});

test("rows that are one have 1, and opposite ones -1", () => {
  const of = (values: number[]): number => scope(() => likeness(tensor(values, { shape: [2, 2] })));
  expect(of([0.6, 0.8, 0.6, 0.8])).toBeCloseTo(1, 6);
  expect(of([0.6, 0.8, -0.6, -0.8])).toBeCloseTo(-1, 6);
});
