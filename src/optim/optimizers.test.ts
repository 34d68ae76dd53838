// What holds for every optimizer.
import { expect, test } from "vitest";
import {
  liveTensors,
  manualSeed,
  type NamedTensors,
  noGrad,
  randn,
  scope,
  setGrad,
  setGradDType,
  type Tensor,
  tensor,
} from "../tensor/index.ts";
import { AdamW } from "./adamw.ts";
import { type ParameterGroup, parameterGroups } from "./groups.ts";
import { Lamb } from "./lamb.ts";
import { Lion } from "./lion.ts";
import type { Optimizer } from "./optimizer.ts";
import { Sgd } from "./sgd.ts";

const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-6 };
const momentum = { gainsAndBiases: 0.9, weights: 0.9, logitScale: 0 };
const optimizers: readonly [string, (groups: readonly ParameterGroup[]) => Optimizer][] = [
  ["AdamW", (groups) => new AdamW(groups, adam)],
  ["LAMB", (groups) => new Lamb(groups, adam)],
  ["Lion", (groups) => new Lion(groups, adam)],
  ["SGD", (groups) => new Sgd(groups, { momentum, nesterov: false })],
  ["SGD with Nesterov's step", (groups) => new Sgd(groups, { momentum, nesterov: true })],
];
const rates = { gainsAndBiases: 0.01, weights: 0.02, logitScale: 0.001 };

const shapes = {
  "mlp.weight": [8, 5],
  "conv.weight": [4, 3, 2, 2],
  "norm.weight": [9],
  "unused.weight": [2, 2],
  logit_scale: [],
};

/** A small model; `unused.weight` never gets a gradient. */
function model(): { groups: ParameterGroup[]; parameters: NamedTensors } {
  manualSeed(1);
  const parameters = new Map(Object.entries(shapes).map(([name, shape]) => [name, randn(shape).requireGrad()]));
  return { groups: parameterGroups(parameters, 0.1), parameters };
}

function run(optimizer: Optimizer, { parameters }: { parameters: NamedTensors }, steps: Iterable<number>): void {
  for (const step of steps) {
    manualSeed(100 + step);
    for (const [name, parameter] of parameters)
      setGrad(parameter, name === "unused.weight" ? null : randn(parameter.shape));
    noGrad(() => optimizer.step(rates));
  }
}

test.each(optimizers)("%s takes gradients times a factor, and of bfloat16 as they would be in float32", (_, create) => {
  const ends = [
    { gradientFactor: 0.25, dtype: "bfloat16" },
    { gradientFactor: 0.25, dtype: "float32" },
    { gradientFactor: 1, dtype: "float32" },
  ] as const;
  const [short, full, multiplied] = ends.map(({ gradientFactor, dtype }) => {
    const { groups, parameters } = model();
    const optimizer = create(groups);
    for (const parameter of parameters.values()) setGradDType(parameter, dtype);
    for (let step = 0; step < 3; step++) {
      manualSeed(100 + step);
      for (const parameter of parameters.values()) {
        const gradient = randn(parameter.shape).to("bfloat16").to(dtype);
        setGrad(parameter, gradientFactor === 1 ? gradient.mul(0.25) : gradient);
      }
      noGrad(() => optimizer.step(rates, { gradientFactor }));
    }
    return [...parameters.values()].flatMap((x) => x.detach().toArray() as number[]);
  });
  expect(full).toEqual(multiplied);
  for (const [i, x] of short!.entries()) expect(x).toBeCloseTo(full![i]!, 5);
});

const numbersOf = (tensors: NamedTensors) => [...tensors].map(([name, values]) => [name, values.toArray()]);
const copyOf = (tensors: NamedTensors): NamedTensors =>
  new Map([...tensors].map(([name, values]) => [name, values.clone()]));

test.each(optimizers)("%s goes on from a saved state bit by bit", (_, create) => {
  const whole = model();
  const uninterrupted = create(whole.groups);
  run(uninterrupted, whole, [0, 1, 2, 3, 4]);

  const first = model();
  const before = create(first.groups);
  run(before, first, [0, 1]);
  const saved = { parameters: copyOf(first.parameters), state: copyOf(before.state()) };
  const second = model();
  const after = create(second.groups);
  noGrad(() => {
    for (const [name, parameter] of second.parameters) parameter.copy_(saved.parameters.get(name)!);
  });
  after.load(saved.state);
  run(after, second, [2, 3, 4]);

  expect(numbersOf(second.parameters)).toEqual(numbersOf(whole.parameters));
  expect(numbersOf(after.state())).toEqual(numbersOf(uninterrupted.state()));
});

test.each(optimizers)("%s leaves a parameter without gradient alone, and its state", (_, create) => {
  const { groups, parameters } = model();
  const start = copyOf(parameters);
  const optimizer = create(groups);
  const state = copyOf(optimizer.state());
  run(optimizer, { parameters }, [0, 1]);
  for (const [name, values] of parameters) {
    const same = String(values.toArray()) === String(start.get(name)!.toArray());
    expect([name, same]).toEqual([name, name === "unused.weight"]);
  }
  for (const [name, values] of optimizer.state()) {
    if (name.startsWith("unused.")) expect(values.toArray(), name).toEqual(state.get(name)!.toArray());
  }
});

test.each(optimizers)("%s stays finite with gradients of zero and weights of zero", (_, create) => {
  for (const [weight, gradient] of [
    [0, 0],
    [0, 1],
    [1, 0],
  ] as const) {
    const parameter = tensor([weight, weight], { shape: [1, 2] }).requireGrad();
    const optimizer = create(parameterGroups(new Map([["w", parameter]]), 0.1));
    setGrad(parameter, tensor([gradient, gradient], { shape: [1, 2] }));
    for (let step = 0; step < 3; step++) noGrad(() => optimizer.step(rates));
    const values = parameter.toArray();
    expect(values.every(Number.isFinite), `${values}`).toBe(true);
    if (weight === 0) expect(values.every((value) => (gradient === 0 ? value === 0 : value < 0))).toBe(true);
  }
});

test.each(optimizers)("%s multiplies a group's learning rate by its scale", (_, create) => {
  const stepped = (lrScale: number, weights: number): number[] => {
    const parameter = tensor([1, -2], { shape: [1, 2] }).requireGrad();
    const optimizer = create([{ name: "weights", parameters: new Map([["w", parameter]]), weightDecay: 0.1, lrScale }]);
    setGrad(parameter, tensor([0.5, 0.25], { shape: [1, 2] }));
    noGrad(() => optimizer.step({ ...rates, weights }));
    return parameter.toArray();
  };
  expect(stepped(0.25, 0.5)).toEqual(stepped(1, 0.125));
  expect(stepped(0.25, 0.5)).not.toEqual(stepped(1, 0.5));
});

test.each(optimizers)("%s keeps no tensor of a step", (_, create) => {
  scope(() => {
    const { groups, parameters } = model();
    const optimizer = create(groups);
    const afterOne = scope(() => {
      run(optimizer, { parameters }, [0]);
      return liveTensors();
    });
    const afterTen = scope(() => {
      for (let step = 1; step < 10; step++) scope(() => run(optimizer, { parameters }, [step]));
      run(optimizer, { parameters }, [10]);
      return liveTensors();
    });
    expect(afterTen).toBe(afterOne);
  });
});

test.each(optimizers)("%s refuses a state that is not its own, and stays as it is", (_, create) => {
  const { groups, parameters } = model();
  const optimizer = create(groups);
  run(optimizer, { parameters }, [0]);
  const before = numbersOf(optimizer.state());
  const state = copyOf(optimizer.state());
  for (const values of state.values()) values.zero_();
  const [[name, values]] = [...state].slice(-1) as [[string, Tensor]];
  const others = [...state].slice(0, -1);
  expect(() => optimizer.load(new Map(others))).toThrow(`the checkpoint holds no optimizer state ${name}`);
  expect(() => optimizer.load(new Map([...others, [name, values.unsqueeze(0)]]))).toThrow(
    `optimizer state ${name}: expected shape [${values.shape}], the checkpoint has [1`,
  );
  expect(() => optimizer.load(new Map([...state, ["x/exp_avg", values]]))).toThrow(
    "the checkpoint holds optimizer state x/exp_avg, which this optimizer has not",
  );
  expect(numbersOf(optimizer.state())).toEqual(before);
});

test("parameters that do not fit into one portion are all updated", () => {
  const portion = 2 ** 24;
  const sizes = [3, portion + 1, portion - 2, 2, 1];
  const parameters = new Map(sizes.map((size, i) => [`w${i}`, tensor(i).expand([size]).clone().requireGrad()]));
  for (const parameter of parameters.values()) setGrad(parameter, tensor(1).expand(parameter.shape).clone());
  const optimizer = new Sgd(parameterGroups(parameters, 0), {
    momentum: { ...momentum, gainsAndBiases: 0 },
    nesterov: false,
  });
  noGrad(() => optimizer.step({ ...rates, gainsAndBiases: 0.5 }));
  const ends = [...parameters.values()].map((values) => [values.amin().item(), values.amax().item()]);
  expect(ends).toEqual(sizes.map((_, i) => [i - 0.5, i - 0.5]));
});

test.each(optimizers)("%s does not depend on how a kernel lies in memory", (_, create) => {
  const trained = (memoryFormat: "contiguous" | "channelsLast"): number[] => {
    manualSeed(1);
    const parameter = randn([4, 3, 2, 2]).contiguous({ memoryFormat }).requireGrad();
    const optimizer = create(parameterGroups(new Map([["w", parameter]]), 0.1));
    for (let step = 0; step < 3; step++) {
      setGrad(parameter, randn([4, 3, 2, 2]).contiguous({ memoryFormat }));
      noGrad(() => optimizer.step(rates));
    }
    return parameter.toArray();
  };
  const [plain, channelsLast] = [trained("contiguous"), trained("channelsLast")];
  for (const [i, value] of plain.entries()) expect(channelsLast[i]).toBeCloseTo(value, 6);
});

const least = 2 ** -126; // the least normal number of float32

test.each(optimizers)(
  "%s lets moments of what gets no gradient for long end as 0, not as denormal numbers",
  (_, create) => {
    // Of a size that operators cut into parts for their threads.
    const parameter = randn([1000, 333]).requireGrad();
    const optimizer = create(parameterGroups(new Map([["embedding.weight", parameter]]), 0)); // SGD adds the decay to the gradient
    const step = (gradient: Tensor): void => {
      setGrad(parameter, gradient);
      noGrad(() => optimizer.step(rates));
    };
    step(randn(parameter.shape));
    const moments = [...optimizer.state().values()].filter(({ numel }) => numel === parameter.numel);
    expect(moments.length).toBeGreaterThan(0);
    for (const moment of moments) moment.copy_(moment.sign().mul(1.01 * least));
    for (let n = 0; n < 3; n++) step(parameter.zerosLike());
    for (const moment of moments) expect(moment.abs().max().item()).toBe(0);
  },
);
