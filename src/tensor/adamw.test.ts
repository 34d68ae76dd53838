import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { fusedAdamw_, fusesMixedAdamw, manualSeed, mixedAdamw_, ones, randn, type Tensor, tensor } from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

const testKernel = test.runIf(native.hasAvx512BFloat16());
const settings = { lr: 0.03, beta1: 0.9, beta2: 0.98, eps: 1e-6, weightDecay: 0.2 };

testKernel("the update with gradients of bfloat16 is libtorch's with the same gradients in float32", () => {
  manualSeed(1);
  const make = (): Tensor[] => [
    randn([300, 333]),
    randn([7]),
    randn([6, 4, 3, 3]).contiguous({ memoryFormat: "channelsLast" }),
    randn([5, 8, 1, 1]).contiguous({ memoryFormat: "channelsLast" }),
  ];
  const parameters = make();
  const sides = [0, 1].map(() => ({
    parameters: parameters.map((x) => x.clone()),
    expAvgs: parameters.map((x) => x.zerosLike()),
    expAvgSqs: parameters.map((x) => x.zerosLike()),
  }));
  for (let step = 1; step <= 3; step++) {
    const grads = make().map((x) => x.to("bfloat16"));
    const stateSteps = parameters.map(() => tensor(step));
    const [own, other] = sides as [(typeof sides)[number], (typeof sides)[number]];
    expect(fusesMixedAdamw(grads)).toBe(true);
    mixedAdamw_(own.parameters, { ...settings, ...own, grads, stateSteps, gradientFactor: 0.5 });
    const full = grads.map((x) => x.to("float32").mul(0.5));
    const flags = { maxExpAvgSqs: [], amsgrad: false, maximize: false };
    fusedAdamw_(other.parameters, { ...settings, ...flags, ...other, grads: full, stateSteps });
  }
  for (const list of ["parameters", "expAvgs", "expAvgSqs"] as const)
    for (const [i, x] of sides[0]![list].entries()) {
      const same = sides[1]![list][i]!;
      expect(x.sub(same).norm().item(), `${list} ${i}`).toBeLessThan(1e-6 * same.norm().item());
    }
});

testKernel("the number of threads changes nothing", () => {
  manualSeed(1);
  const [parameter, expAvg, expAvgSq, gradient] = [0, 1, 2, 3].map(() => randn([900, 333]).abs()) as Tensor[];
  const grads = [gradient!.to("bfloat16")];
  expectSameOnThreads(() => {
    const [changed, ...state] = [parameter, expAvg, expAvgSq].map((x) => x!.clone()) as [Tensor, Tensor, Tensor];
    const lists = { expAvgs: [state[0]], expAvgSqs: [state[1]], grads, stateSteps: [tensor(1)] };
    mixedAdamw_([changed], { ...settings, gradientFactor: 0.5, ...lists });
    return [changed, ...state];
  });
});

testKernel("what does not fit together is refused", () => {
  const lists = {
    expAvgs: [ones([4, 2])],
    expAvgSqs: [ones([4, 2])],
    grads: [ones([4, 2]).to("bfloat16")],
    stateSteps: [tensor(1)],
  };
  const update = (change: Partial<typeof lists>, parameters = [ones([4, 2])]) =>
    mixedAdamw_(parameters, { ...settings, gradientFactor: 1, ...lists, ...change });
  expect(() => update({})).not.toThrow();
  expect(() => update({ grads: [] })).toThrow("gradients: expected one for each parameter");
  expect(() => update({ grads: [ones([4, 2])] })).toThrow("a gradient: expected BFloat16 on a CPU");
  expect(() => update({ expAvgs: [ones([2, 4]).t()] })).toThrow("a mean: expected Float on a CPU in the parameter's");
  expect(() => update({}, [ones([4, 4]).narrow(1, 0, 2)])).toThrow("expected a dense one");
});
