import { expect, test } from "vitest";
import { backward, differentiable, gradOf, liveTensors, noGrad, scope, type Tensor, tensor } from "./index.ts";

/** x^2 y, with what is asked of its derivative noted down. */
function squareTimes(x: Tensor, y: Tensor, asked: boolean[][] = []): Tensor {
  return differentiable([x, y], () => ({
    output: x.mul(x).mul(y),
    kept: { x, y },
    derivative: (gradient, { x, y }, wanted) => {
      asked.push([...wanted]);
      return [gradient.mul(x).mul(y).mul(2), wanted[1] ? gradient.mul(x).mul(x) : undefined];
    },
  }));
}

const numbers = (x: Tensor | null): number[] => x!.toArray();
const leaf = (...values: number[]): Tensor => tensor(values).requireGrad();

test("gradients go through it, before and behind it, and add up", () => {
  const [x, y] = [leaf(1, 2), leaf(3, 5)];
  const z = squareTimes(x.mul(2), y).add(x).sum(); // 4 x^2 y + x
  backward([z]);
  expect(numbers(gradOf(x))).toEqual([8 * 1 * 3 + 1, 8 * 2 * 5 + 1]);
  expect(numbers(gradOf(y))).toEqual([4, 16]);
});

test("what is not wanted need not be computed", () => {
  const asked: boolean[][] = [];
  const [x, y] = [leaf(1, 2), tensor([3, 5])];
  backward([squareTimes(x, y, asked).sum()]);
  expect(asked).toEqual([[true, false]]);
  expect(gradOf(y)).toBeNull();
});

test("without recording, or without an input that wants a gradient, there is only the output", () => {
  const x = leaf(2);
  expect(noGrad(() => squareTimes(x, x)).requiresGrad).toBe(false);
  expect(squareTimes(tensor([2]), tensor([3])).requiresGrad).toBe(false);
  expect(squareTimes(x, tensor([3])).requiresGrad).toBe(true);
});

test("nothing stays behind a way back, nor behind a graph that is dropped", () => {
  const [x, y] = [leaf(1, 2), leaf(3, 5)];
  const count = (body: () => void): number => {
    scope(body); // makes the gradients
    const before = liveTensors();
    for (let i = 0; i < 5; i++) scope(body);
    return liveTensors() - before;
  };
  expect(count(() => backward([squareTimes(x, y).sum()]))).toBe(0);
  expect(count(() => void squareTimes(squareTimes(x, y), y))).toBe(0);
});

test("an error in the derivative comes out of backward, and the next one works", () => {
  const x = leaf(1);
  const failing = differentiable([x], () => ({
    output: x.mul(2),
    kept: {},
    derivative: () => {
      throw new RangeError("no derivative today");
    },
  }));
  expect(() => backward([failing.add(1).sum()])).toThrow(new RangeError("no derivative today"));
  backward([squareTimes(x, x).sum()]);
  expect(numbers(gradOf(x))).toEqual([3]);
});

test("a derivative of another number of gradients is refused, and so is a second way back", () => {
  const x = leaf(1);
  const short = differentiable([x], () => ({ output: x.mul(2), kept: {}, derivative: () => [] }));
  expect(() => backward([short.sum()])).toThrow("expected an array of 1");
  const once = squareTimes(x, tensor([3])).sum();
  backward([once]);
  expect(() => backward([once])).toThrow(/second time/);
});

test("what was kept and then changed in place is noticed", () => {
  const [x, y] = [leaf(1), tensor([3])];
  const z = squareTimes(x, y).sum();
  y.add_(1);
  expect(() => backward([z])).toThrow(/modified by an inplace operation/);
});
