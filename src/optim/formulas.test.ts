// Each optimizer against its formula, worked out by hand on one or two numbers.
import { expect, test } from "vitest";
import { noGrad, setGrad, tensor } from "../tensor/index.ts";
import { AdamW } from "./adamw.ts";
import type { GroupName, ParameterGroup } from "./groups.ts";
import { Lamb } from "./lamb.ts";
import { Lion } from "./lion.ts";
import type { Optimizer } from "./optimizer.ts";
import { Sgd } from "./sgd.ts";

interface Problem {
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly group?: GroupName;
  readonly weightDecay: number;
  readonly lr: number;
}

/** The parameter after each step. */
function path(create: (groups: ParameterGroup[]) => Optimizer, problem: Problem): number[][] {
  const { start, gradients, group: name = "weights", weightDecay, lr } = problem;
  const parameter = tensor(start).requireGrad();
  const optimizer = create([{ name, parameters: new Map([["p", parameter]]), weightDecay }]);
  return gradients.map((gradient) => {
    setGrad(parameter, tensor(gradient));
    noGrad(() => optimizer.step({ gainsAndBiases: lr, weights: lr, logitScale: lr }));
    return parameter.toArray();
  });
}

function expectPath(actual: number[][], expected: number[][]): void {
  expect(actual.length).toBe(expected.length);
  for (const [step, values] of expected.entries())
    for (const [i, value] of values.entries()) expect(actual[step]![i], `step ${step}`).toBeCloseTo(value, 6);
}

const tiny = { beta1: 0.9, beta2: 0.99, eps: 1e-12 };

test("AdamW: the first step is lr times the gradient's sign, beside the decay", () => {
  const problem = { start: [1, -2], gradients: [[0.5, 3]], weightDecay: 0.1, lr: 0.1 };
  // 1 - 0.1 (1 + 0.1 * 1) and -2 - 0.1 (1 - 0.1 * 2)
  expectPath(
    path((groups) => new AdamW(groups, tiny), problem),
    [[0.89, -2.08]],
  );
});

test("LAMB: Adam's direction with the decay in it, as long as the parameter", () => {
  const problem = { start: [3, 4], gradients: [[1, -1]], weightDecay: 0.5, lr: 0.1 };
  // d = [1, -1] + 0.5 [3, 4] = [2.5, 1], |p| = 5
  const length = (0.1 * 5) / Math.hypot(2.5, 1);
  expectPath(
    path((groups) => new Lamb(groups, tiny), problem),
    [[3 - length * 2.5, 4 - length]],
  );
});

test("LAMB: the step is Adam's where nothing decays, and where the parameter is 0", () => {
  const lamb = (groups: ParameterGroup[]) => new Lamb(groups, tiny);
  expectPath(path(lamb, { start: [3, 4], gradients: [[1, -1]], weightDecay: 0, lr: 0.1 }), [[2.9, 4.1]]);
  expectPath(path(lamb, { start: [0, 0], gradients: [[1, -1]], weightDecay: 0.5, lr: 0.1 }), [[-0.1, 0.1]]);
});

test("LAMB: a gradient of 0 leaves the decay, as long as the parameter", () => {
  const problem = { start: [3, 4], gradients: [[0, 0]], weightDecay: 0.5, lr: 0.1 };
  expectPath(
    path((groups) => new Lamb(groups, tiny), problem),
    [[2.7, 3.6]],
  );
});

test("Lion: the sign of a mean, where the mean remembers longer than the sign", () => {
  const problem = { start: [2], gradients: [[-3], [0.1], [1]], weightDecay: 0.25, lr: 0.1 };
  const second = 2.05 - 0.1 * (-1 + 0.25 * 2.05); // the mean is -0.03: sign(0.9 * -0.03 + 0.1 * 0.1) = -1
  const third = second - 0.1 * (1 + 0.25 * second); // it is -0.0287: sign(0.9 * -0.0287 + 0.1 * 1) = 1
  expectPath(
    path((groups) => new Lion(groups, tiny), problem),
    [[2.05], [second], [third]],
  );
});

const everywhere = (momentum: number) => ({ gainsAndBiases: momentum, weights: momentum, logitScale: momentum });

test("SGD: momentum adds up the gradients, with the decay in them", () => {
  const sgd = (groups: ParameterGroup[]) => new Sgd(groups, { momentum: everywhere(0.5), nesterov: false });
  // b = 1, then 1.5
  expectPath(path(sgd, { start: [1], gradients: [[1], [1]], weightDecay: 0, lr: 0.1 }), [[0.9], [0.75]]);
  // g = 1 + 0.5 * 1 = 1.5, then 1 + 0.5 * 0.85 = 1.425 and b = 2.175
  expectPath(path(sgd, { start: [1], gradients: [[1], [1]], weightDecay: 0.5, lr: 0.1 }), [[0.85], [0.6325]]);
});

test("SGD: Nesterov's step looks ahead along the momentum", () => {
  const sgd = (groups: ParameterGroup[]) => new Sgd(groups, { momentum: everywhere(0.5), nesterov: true });
  // 1 + 0.5 * 1, then 1 + 0.5 * 1.5
  expectPath(path(sgd, { start: [1], gradients: [[1], [1]], weightDecay: 0, lr: 0.1 }), [[0.85], [0.675]]);
});

test("SGD: a group without momentum takes plain steps and keeps nothing", () => {
  for (const nesterov of [false, true]) {
    const create = (groups: ParameterGroup[]) =>
      new Sgd(groups, { momentum: { ...everywhere(0.5), logitScale: 0 }, nesterov });
    const problem = { start: [1], gradients: [[1], [1]], weightDecay: 0, lr: 0.1, group: "logitScale" } as const;
    expectPath(path(create, problem), [[0.9], [0.8]]);
    expect(
      create([{ name: "logitScale", parameters: new Map([["p", tensor([1])]]), weightDecay: 0 }]).state().size,
    ).toBe(0);
  }
});
