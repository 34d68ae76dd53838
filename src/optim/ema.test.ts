import { expect, test } from "vitest";
import { liveTensors, noGrad, scope, tensor } from "../tensor/index.ts";
import { Ema, emaDecay } from "./ema.ts";

const weight = () => tensor([0, 0]).requireGrad();
const count = () => tensor(0, { dtype: "int64" });

test("the decay follows timm's rule", () => {
  const constant = { decay: 0.9, warmup: false };
  expect([1, 2, 3, 100].map((step) => emaDecay(step, constant))).toEqual([0, 0.9, 0.9, 0.9]);
  const warm = { decay: 0.95, warmup: true };
  // By timm 1.0's ModelEmaV3(use_warmup=True).get_decay: 1 - (1 + (step - 1))^(-2/3), at most the decay.
  expect(emaDecay(1, warm)).toBe(0);
  expect(emaDecay(2, warm)).toBeCloseTo(0.370039, 6);
  expect(emaDecay(8, warm)).toBeCloseTo(0.75, 12);
  expect(emaDecay(1000, warm)).toBe(0.95);
});

test("the average starts at the weights of the first step and then moves to those of each", () => {
  const weights = { w: weight(), n: count() };
  const ema = new Ema(new Map(Object.entries(weights)), { decay: 0.75, warmup: false });
  const path = [4, 8, 0].map((value, i) => {
    noGrad(() => {
      weights.w.fill_(value);
      weights.n.fill_(i + 1);
    });
    ema.update(i + 1);
    return [...ema.state().values()].map((average) => average.toArray());
  });
  // 4, then 0.75 * 4 + 0.25 * 8 = 5, then 0.75 * 5.
  expect(path).toEqual([
    [[4, 4], [1]],
    [[5, 5], [2]],
    [[3.75, 3.75], [3]],
  ]);
  expect(weights.w.toArray()).toEqual([0, 0]);
});

test("the averages stand in for the weights while they are asked for, also when that fails", async () => {
  const w = weight();
  const ema = new Ema(new Map([["w", w]]), { decay: 0.5, warmup: false });
  noGrad(() => w.fill_(2));
  expect(await ema.inPlace(async () => w.toArray())).toEqual([0, 0]);
  expect(w.toArray()).toEqual([2, 2]);
  await expect(ema.inPlace(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  expect(w.toArray()).toEqual([2, 2]);
  expect(w.requiresGrad).toBe(true);
  ema.update(2);
  expect(ema.state().get("w")!.toArray()).toEqual([1, 1]);
});

test("a saved average is taken back", () => {
  const w = weight();
  const ema = new Ema(new Map([["w", w]]), { decay: 0.5, warmup: false });
  ema.load(new Map(Object.entries({ w: tensor([3, 4]), other: tensor(1) })));
  expect(ema.state().get("w")!.toArray()).toEqual([3, 4]);
  expect(() => ema.load(new Map())).toThrow("the saved average of the weights holds no w");
});

test("steps and evaluations leave no tensors behind", async () => {
  const ema = new Ema(new Map([["w", weight()]]), { decay: 0.5, warmup: true });
  const live = liveTensors();
  scope(() => ema.update(1));
  await ema.inPlace(async () => undefined);
  expect(liveTensors()).toBe(live);
});
