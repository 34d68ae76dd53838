import { expect, test } from "vitest";
import { clippingFactor } from "./clip.ts";

test("gradients that are too long together are cut to the largest norm", () => {
  expect(clippingFactor(13, 6.5)).toBeCloseTo(0.5, 6);
});

test("gradients that are short enough, or 0, stay what they are", () => {
  expect(clippingFactor(13, 14)).toBe(1);
  expect(clippingFactor(0, 1)).toBe(1);
});
