import { expect, test } from "vitest";
import { gammaSchedule } from "./gamma.ts";

test("gammaMin auto follows the authors' fit, and decays over all epochs", () => {
  const cosine = gammaSchedule({ kind: "cosine", gammaMin: "auto", decayEpochs: "auto" }, 16);
  expect(cosine(0)).toBe(1);
  expect(cosine(16)).toBeCloseTo(4.177 * 16 ** -0.7265, 12);
  // Half way the cosine stands half way between 1 and its end.
  expect(cosine(8)).toBeCloseTo((1 + cosine(16)) / 2, 12);
});

test("with few epochs gamma stays 1", () => {
  const short = gammaSchedule({ kind: "cosine", gammaMin: "auto", decayEpochs: "auto" }, 7);
  expect([0, 3, 6].map(short)).toEqual([1, 1, 1]);
});

test("a constant gamma begins after the first epoch", () => {
  expect([0, 1, 5].map(gammaSchedule({ kind: "constant", gamma: 0.4 }, 6))).toEqual([1, 0.4, 0.4]);
});
