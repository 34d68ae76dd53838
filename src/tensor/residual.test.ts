import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import {
  fusedAdd,
  fusedNorm,
  fusedNormBackward,
  fusesResidual,
  manualSeed,
  nativeLayerNorm,
  nativeLayerNormBackward,
  randn,
  stack,
  type Tensor,
} from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

const testKernel = test.runIf(fusesResidual(randn([1]), "bfloat16"));
const eps = 1e-5;

const relativeError = (found: Tensor, exact: Tensor): number =>
  found.to("float64").sub(exact).norm().item() / exact.norm().item();

type Type = "float32" | "bfloat16";

/** A row away from 0, as a stream is. */
function example(shape: readonly number[], type: Type, branch: Type = "bfloat16") {
  manualSeed(1);
  const width = shape.at(-1)!;
  const [x, passed] = [randn(shape).mul(3).add(2).to(type), randn(shape).to(type)];
  return { x, passed, gradient: randn(shape).to(branch), weight: randn([width]), bias: randn([width]), width };
}

const shapes = [
  [3, 5, 768],
  [2, 70, 40],
  [1, 1, 17],
  [33, 2],
] as const;

const types: { type: Type; branch: Type }[] = [
  { type: "float32", branch: "float32" },
  { type: "float32", branch: "bfloat16" },
  { type: "bfloat16", branch: "bfloat16" },
];
// One rounding to bfloat16 is off by 1.7e-3 in the mean.
const rounding = { float32: 1e-6, bfloat16: 3e-3 };

testKernel.each(shapes.flatMap((shape) => types.map((pair) => ({ shape, ...pair }))))(
  "the norm and its gradient are float64's but for rounding: %o",
  ({ shape, type, branch }) => {
    const { x, passed, gradient, weight, bias, width } = example(shape, type, branch);
    const { h, moments } = fusedNorm(x, branch, { weight, bias, eps });
    const [input, w, b] = [x, weight, bias].map((tensor) => tensor.to("float64")) as [Tensor, Tensor, Tensor];
    const [exact, mean, rstd] = nativeLayerNorm(input, [width], eps, { weight: w, bias: b });
    expect(h.dtype).toBe(branch);
    expect(relativeError(h, exact)).toBeLessThan(rounding[branch]);
    expect(relativeError(moments, stack([mean.flatten(), rstd.flatten()]))).toBeLessThan(1e-6);

    const found = fusedNormBackward(gradient, { x, moments, weight, passed });
    const [dx, dw, db] = nativeLayerNormBackward(gradient.to("float64"), {
      input,
      normalizedShape: [width],
      mean,
      rstd,
      weight: w,
      bias: b,
      outputMask: [true, true, true],
    }) as [Tensor, Tensor, Tensor];
    expect(found.dx.dtype).toBe(type);
    expect(relativeError(found.dx, dx.add(passed.to("float64")))).toBeLessThan(type === "float32" ? 1e-5 : 3e-3);
    expect(relativeError(found.weight, dw)).toBeLessThan(1e-5);
    expect(relativeError(found.bias, db)).toBeLessThan(1e-5);
  },
);

testKernel.each(types)("an output and a bias are added in float32, and rounded once: %o", ({ type, branch }) => {
  const { x, gradient: output, bias } = example([7, 45], type, branch);
  const exact = x.to("float32").add(output.to("float32").add(bias)).to(type);
  const found = fusedAdd(x, output, bias);
  expect(found.dtype).toBe(type);
  expect(found.eq(exact).all().item()).toBe(1);
});

testKernel("the number of threads changes nothing", () => {
  const { x, passed, gradient, weight, bias } = example([40, 50, 64], "float32");
  expectSameOnThreads(() => {
    const { h, moments } = fusedNorm(x, "bfloat16", { weight, bias, eps });
    return [h, fusedAdd(x, h, bias), ...Object.values(fusedNormBackward(gradient, { x, moments, weight, passed }))];
  });
});

testKernel("the kernels take what they were made for alone", () => {
  const { x, weight, bias, gradient } = example([4, 6], "float32");
  expect(() => fusedNorm(x, "bfloat16", { weight: bias.to("float64"), bias, eps })).toThrow(
    "weight: expected contiguous Float",
  );
  expect(() => native.normalize(x.t().handle, weight.handle, bias.handle, eps, false)).toThrow(
    "x: expected contiguous Float",
  );
  expect(() => fusedAdd(x, gradient, bias.narrow(0, 0, 4))).toThrow("bias: expected contiguous Float on a CPU, [6]");
  expect(() => fusedAdd(x, gradient.narrow(0, 0, 2), bias)).toThrow(
    "output: expected contiguous BFloat16 on a CPU, [4, 6]",
  );
});
