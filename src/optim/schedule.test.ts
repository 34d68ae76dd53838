import { expect, test } from "vitest";
import { type LearningRateSchedule, learningRate, temperatureLearningRate } from "./schedule.ts";

/** The rate at every step of the run, and two steps behind its end. */
function rates(schedule: LearningRateSchedule, steps: number): number[] {
  const rate = learningRate(schedule);
  return Array.from({ length: steps + 2 }, (_, step) => Number(rate(step).toFixed(9)));
}

const cosine = { kind: "cosine", lr: 1, lrMin: 0.2, warmup: 0, steps: 4 } as const;
const cooldown = {
  kind: "const-cooldown",
  lr: 1,
  warmup: 0,
  steps: 4,
  cooldownSteps: 2,
  power: 1,
  lrEnd: 0.2,
} as const;
const sqrtHalf = Math.SQRT1_2;

test("a half cosine goes down to its floor and stays there", () => {
  const expected = [1, 0.6 + 0.4 * sqrtHalf, 0.6, 0.6 - 0.4 * sqrtHalf, 0.2, 0.2].map((rate) =>
    Number(rate.toFixed(9)),
  );
  expect(rates(cosine, 4)).toEqual(expected);
});

test("the warm-up is a line that ends at the highest rate", () => {
  expect(rates({ ...cosine, warmup: 2 }, 4)).toEqual([0.5, 1, 1, 0.6, 0.2, 0.2]);
  expect(rates({ kind: "const", lr: 1, warmup: 2 }, 4)).toEqual([0.5, 1, 1, 1, 1, 1]);
  expect(rates({ kind: "const", lr: 1, warmup: 0 }, 1)).toEqual([1, 1, 1]);
});

test("a warm-up as long as the run, or longer, fills it", () => {
  expect(rates({ ...cosine, warmup: 4 }, 4)).toEqual([0.25, 0.5, 0.75, 1, 0.2, 0.2]);
  expect(rates({ ...cosine, warmup: 8 }, 4).slice(0, 4)).toEqual([0.125, 0.25, 0.375, 0.5]);
  expect(rates({ ...cooldown, warmup: 4 }, 4)).toEqual([0.25, 0.5, 0.75, 1, 0.2, 0.2]);
});

test("the cooldown is a polynomial over the last steps", () => {
  expect(rates(cooldown, 4)).toEqual([1, 1, 1, 0.6, 0.2, 0.2]);
  expect(rates({ ...cooldown, power: 2 }, 4)).toEqual([1, 1, 1, 0.4, 0.2, 0.2]);
  expect(rates({ ...cooldown, cooldownSteps: 4 }, 4)).toEqual([1, 0.8, 0.6, 0.4, 0.2, 0.2]);
});

test("a cooldown of no steps leaves the rate constant", () => {
  expect(rates({ ...cooldown, cooldownSteps: 0 }, 4).slice(0, 4)).toEqual([1, 1, 1, 1]);
});

test("the temperature's rate is a third once tau is small", () => {
  const rate = temperatureLearningRate({ lr: 3, decayAt: 0.03 });
  expect([0.07, 0.031, 0.03, 0.01].map(rate)).toEqual([3, 3, 1, 1]);
  expect(temperatureLearningRate({ lr: 3, decayAt: 0 })(0.01)).toBe(3);
});
