import { expect, test } from "vitest";
import {
  backward,
  conv2d,
  fusedAttention,
  fusedAttentionBackward,
  fusesAttention,
  linear,
  noGrad,
  normOf,
  type OperatorRun,
  ones,
  recordOperators,
  scaledDotProductAttention,
  scope,
} from "./index.ts";

function recorded(body: () => void): OperatorRun[] {
  const end = recordOperators();
  scope(body);
  return end();
}

/** Multiplications, as the formula of each operator has them. */
const multiplications = (runs: readonly OperatorRun[]): number =>
  runs.reduce((sum, { product }) => sum + (product ? product.times * product.m * product.k * product.n : 0), 0);

test("operators come in the order of their starts, and own times leave out what they called", () => {
  const x = ones([8, 4]);
  const runs = recorded(() => void linear(x, ones([3, 4]), { bias: ones([3]) }).softmax(-1));
  const names = runs.map(({ name }) => name);
  expect(names).toContain("aten::linear");
  expect(names.indexOf("aten::addmm")).toBeGreaterThan(names.indexOf("aten::linear"));
  expect(names.indexOf("aten::softmax")).toBeGreaterThan(names.indexOf("aten::addmm"));
  for (const { duration, own } of runs) expect(own).toBeLessThanOrEqual(duration);
  const outermost = runs.filter(({ start }, i) => runs.slice(0, i).every((r) => r.start + r.duration <= start));
  const whole = outermost.reduce((sum, { duration }) => sum + duration, 0);
  expect(runs.reduce((sum, { own }) => sum + own, 0)).toBeCloseTo(whole, 6);
});

test("the arithmetic of products is counted once, at the operator that does it", () => {
  const [a, b] = [ones([5, 7]), ones([7, 3])];
  expect(multiplications(recorded(() => void a.matmul(b)))).toBe(5 * 7 * 3);
  const batched = recorded(() => void ones([2, 5, 7]).matmul(ones([2, 7, 3])));
  expect(multiplications(batched)).toBe(2 * 5 * 7 * 3);
  const withBias = recorded(() => void linear(ones([2, 5, 7]), ones([3, 7]), { bias: ones([3]) }));
  expect(multiplications(withBias)).toBe(10 * 7 * 3);
});

test("a matrix product's gradients cost one product each", () => {
  const [a, b] = [ones([5, 7]).requireGrad(), ones([7, 3]).requireGrad()];
  const y = a.matmul(b).sum();
  expect(multiplications(recorded(() => backward([y])))).toBe(2 * 5 * 7 * 3);
});

test("a convolution has a row for each place, and is counted at its kernel", () => {
  // 9 + 2 - 3 = 8, in strides of 2: 5 places across, and as many down.
  const places = 2 * 5 * 5;
  const weight = ones([6, 2, 3, 3]).requireGrad();
  const x = ones([2, 4, 9, 9]).requireGrad();
  const convolve = () => conv2d(x, weight, { stride: [2, 2], padding: [1, 1], groups: 2 });
  const forward = recorded(() => void noGrad(convolve));
  expect(multiplications(forward)).toBe(places * (2 * 3 * 3) * 6);
  expect(forward.filter(({ product }) => product !== undefined)).toHaveLength(1);
  expect(forward.find(({ name }) => name === "aten::convolution")!.product).toBeUndefined();
  const y = convolve().sum();
  expect(multiplications(recorded(() => backward([y])))).toBe(2 * places * (2 * 3 * 3) * 6);
});

test("attention is two products forward, and five backward", () => {
  const [q, k, v] = [ones([2, 3, 5, 8]), ones([2, 3, 7, 8]), ones([2, 3, 7, 8])].map((x) => x.requireGrad());
  const one = 2 * 3 * 5 * 7 * 8;
  expect(multiplications(recorded(() => void scaledDotProductAttention(q!, k!, v!)))).toBe(2 * one);
  const y = scaledDotProductAttention(q!, k!, v!).sum();
  expect(multiplications(recorded(() => backward([y])))).toBe(5 * one);
});

const projected = ones([2, 5, 3 * 24]).to("bfloat16");
const options = { heads: 3, isCausal: false };
test.runIf(fusesAttention(projected, options))(
  "the addon's kernels are operators too, with attention's products",
  () => {
    const one = 2 * 3 * 5 * 5 * 8;
    const forward = recorded(() => void fusedAttention(projected, options));
    expect(multiplications(forward)).toBe(2 * one);
    const gradient = ones([2, 5, 24]).to("bfloat16");
    const back = recorded(() => void fusedAttentionBackward(gradient, projected, options));
    expect(multiplications(back)).toBe(6 * one);
    const names = [...forward, ...back, ...recorded(() => void normOf([gradient]))].map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("fastclip::"))).toEqual([
      "fastclip::attend",
      "fastclip::attendBackward",
      "fastclip::normOf",
    ]);
  },
);

test("one recording at a time, and nothing after its end", () => {
  const end = recordOperators();
  expect(() => recordOperators()).toThrow("operators are recorded already");
  expect(end()).toEqual([]);
  expect(() => end()).toThrow("no operators are recorded");
  const again = recordOperators();
  ones([2]);
  expect(again().map(({ name }) => name)).toContain("aten::ones");
});
