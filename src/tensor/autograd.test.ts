import { expect, test } from "vitest";
import * as T from "./index.ts";

const leaf = (values: number[], dtype: T.DType = "float32"): T.Tensor => T.tensor(values, { dtype }).requireGrad();

test("backward collects the gradient of a leaf", () => {
  const x = leaf([1, 2, 3]);
  T.backward([x.square().sum()]);
  expect(T.gradOf(x)!.toArray()).toEqual([2, 4, 6]);
});

test("gradients add up until they are set", () => {
  const x = leaf([2]);
  for (let i = 1; i <= 3; i++) {
    T.backward([x.mul(5).sum()]);
    expect(T.gradOf(x)!.item()).toBe(5 * i);
  }
  T.setGrad(x, T.tensor([1]));
  T.backward([x.sum()]);
  expect(T.gradOf(x)!.item()).toBe(2);
  T.setGrad(x, null);
  expect(T.gradOf(x)).toBeNull();
});

test("several roots take gradients of their own", () => {
  const x = leaf([1, 2]);
  T.backward([x.mul(3), x.sum()], { gradients: [T.tensor([1, 10]), null] });
  expect(T.gradOf(x)!.toArray()).toEqual([4, 31]);
});

test("a graph can be kept for another backward, else not", () => {
  const x = leaf([3]);
  const y = x.square().sum();
  T.backward([y], { retainGraph: true });
  T.backward([y]);
  expect(T.gradOf(x)!.item()).toBe(12);
  expect(() => T.backward([y])).toThrow(/^Trying to backward through the graph a second time[^\n]*$/);
});

test("grad gives gradients and collects none", () => {
  const x = leaf([3]);
  const y = leaf([4]);
  const [dx, dy, none] = T.grad([x.mul(y).sum()], [x, y, leaf([1])]);
  expect([dx!.item(), dy!.item(), none]).toEqual([4, 3, null]);
  expect(T.gradOf(x)).toBeNull();
});

test("gradients agree with finite differences", () => {
  T.manualSeed(1);
  const draw = (...shape: number[]): T.Tensor => T.randn(shape, { dtype: "float64" });
  const inputs = [draw(3, 4), draw(5, 4), draw(5), draw(5), draw(5)];
  /** The log-softmax of a normalised linear map, weighted so that no gradient vanishes. */
  const f = ([x, w, b, scale, shift]: T.Tensor[]): T.Tensor => {
    const hidden = T.layerNorm(T.linear(x!, w!, { bias: b! }), [5], { weight: scale!, bias: shift! });
    return hidden
      .gelu()
      .logSoftmax(1)
      .mul(T.arange(15, { dtype: "float64" }).view([3, 5]))
      .sum();
  };
  for (const input of inputs) input.requireGrad();
  const gradients = T.grad([f(inputs)], inputs);
  const step = 1e-6;
  T.noGrad(() => {
    for (const [i, input] of inputs.entries()) {
      const flat = input.view([-1]);
      const expected = Array.from({ length: input.numel }, (_, place) => {
        const element = flat.narrow(0, place, 1);
        const above = f(element.add_(step) && inputs).item();
        const below = f(element.sub_(2 * step) && inputs).item();
        element.add_(step);
        return (above - below) / (2 * step);
      });
      for (const [place, value] of gradients[i]!.toArray().entries()) expect(value).toBeCloseTo(expected[place]!, 6);
    }
  });
});

test("noGrad records nothing, withGrad inside it does, and errors bring the mode back", () => {
  const x = leaf([1]);
  const recorded = (): boolean => x.mul(2).requiresGrad;
  expect([recorded(), T.noGrad(recorded), T.noGrad(() => T.withGrad(recorded))]).toEqual([true, false, true]);
  expect(() =>
    T.noGrad(() => {
      throw new Error("mine");
    }),
  ).toThrow("mine");
  expect(recorded()).toBe(true);
  expect(x.mul(2).detach().requiresGrad).toBe(false);
});

test("errors of backward are one sentence", () => {
  const x = leaf([1, 2]);
  const cases: [() => unknown, RegExp][] = [
    [() => T.backward([x.mul(2)]), /grad can be implicitly created only for scalar outputs/],
    [() => T.backward([T.ones([])]), /does not require grad/],
    [() => T.backward([x.sum(), x.sum()], { gradients: [null] }), /.+/],
    [() => T.backward([x.mul(2)], { gradients: [T.ones([3])] }), /.+/],
    [() => T.ones([1], { dtype: "int64" }).requireGrad(), /floating point/],
    [() => x.mul(2).requireGrad(false), /leaf/],
    [() => T.setGrad(x, T.ones([3])), /^gradient: expected the tensor's shape, element type and device$/],
    [() => T.setGrad(x, T.ones([2], { dtype: "float64" })), /^gradient: expected the tensor's shape/],
    [() => T.setGrad(x, x), /its own gradient/],
    [() => x.add_(1), /leaf Variable that requires grad/],
  ];
  for (const [action, message] of cases) {
    expect(action).toThrow(message);
    expect(action).toThrow(/^[^\n]+$/);
  }
});

test("a value changed in place after it was needed is an error of backward", () => {
  const x = leaf([1, 2]);
  const y = x.exp();
  const sum = y.square().sum();
  y.add_(1);
  expect(() => T.backward([sum])).toThrow(/modified by an inplace operation[^\n]*$/);
  expect(T.gradOf(x)).toBeNull();
});

test("the graph's memory goes with its tensors", () => {
  T.setThreads(1); // quick also where the machine is busy
  const x = T.ones([256, 256]).requireGrad();
  const step = (): void => T.scope(() => T.backward([x.exp().mul(x).sigmoid().sum()]));
  step();
  const { used } = T.tensorMemory();
  const live = T.liveTensors();
  for (let i = 0; i < 100; i++) step();
  expect([T.tensorMemory().used, T.liveTensors()]).toEqual([used, live]);
});
