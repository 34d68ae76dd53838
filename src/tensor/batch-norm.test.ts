import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import {
  backward,
  batchNorm,
  channelMoments,
  fusedBatchNorm,
  fusedBatchNormBackward,
  fusesBatchNorm,
  gradOf,
  manualSeed,
  ones,
  randn,
  type Tensor,
  tensor,
  zeros,
} from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

type Type = "float32" | "bfloat16";

const eps = 1e-5;
const ofOne = { weight: ones([1]), bias: zeros([1]) };
const testKernel = test.runIf(fusesBatchNorm(randn([1, 1, 2, 1]), ofOne));

const relativeError = (found: Tensor, exact: Tensor): number =>
  found.to("float64").sub(exact).norm().item() / exact.norm().item();

/** Channels away from 0, as a convolution's are. */
function example(shape: readonly number[], type: Type) {
  manualSeed(1);
  const picture = (): Tensor => randn(shape).to(type).contiguous({ memoryFormat: "channelsLast" });
  const channels = shape[1]!;
  const [x, shortcut, gradient] = [picture().mul(3).add(5), picture(), picture()];
  return { x, shortcut, gradient, weight: randn([channels]), bias: randn([channels]) };
}

const shapes = [
  [3, 40, 5, 7],
  [2, 3, 9, 9],
  [70, 16, 8, 8],
  [9, 700, 1, 1],
];
const followed = [false, true].flatMap((hasShortcut) =>
  [false, true].map((isRectified) => ({ hasShortcut, isRectified })),
);
// One rounding to bfloat16 is off by 1.7e-3 in the mean.
const rounding = { float32: 3e-6, bfloat16: 4e-3 };

testKernel.each(
  shapes.flatMap((shape) =>
    followed.flatMap((following) =>
      (["float32", "bfloat16"] as const).map((type) => ({
        shape: shape.join(" x "),
        sizes: shape,
        type,
        ...following,
      })),
    ),
  ),
)(
  "$shape in $type, with a shortcut: $hasShortcut, rectified: $isRectified: float64's but for rounding",
  ({ sizes, type, hasShortcut, isRectified }) => {
    const { x, shortcut, gradient, weight, bias } = example(sizes, type);
    const [xs, ws, bs, ss] = [x, weight, bias, shortcut].map((input) => input.to("float64").detach().requireGrad()) as [
      ...[Tensor, Tensor, Tensor, Tensor],
    ];
    const normal = batchNorm(xs, { weight: ws, bias: bs, training: true, momentum: 0.1, eps, cudnnEnabled: true });
    const sum = hasShortcut ? normal.add(ss) : normal;
    const exact = isRectified ? sum.relu() : sum;
    backward([exact], { gradients: [gradient.to("float64")] });

    const task = { weight, bias, eps, isRectified };
    const moments = channelMoments(x);
    const output = fusedBatchNorm({ ...task, x, moments, shortcut: hasShortcut ? shortcut : undefined });
    expect(output.dtype).toBe(type);
    expect(relativeError(output, exact.detach())).toBeLessThan(rounding[type]);
    const mean = x.to("float64").meanDim({ dim: [0, 2, 3] });
    expect(relativeError(moments.select(0, 0), mean)).toBeLessThan(1e-6);

    const back = fusedBatchNormBackward(gradient, { ...task, x, moments, output: hasShortcut ? output : undefined });
    expect(relativeError(back.dx, gradOf(xs)!)).toBeLessThan(rounding[type]);
    expect(relativeError(back.weight, gradOf(ws)!)).toBeLessThan(1e-5);
    expect(relativeError(back.bias, gradOf(bs)!)).toBeLessThan(1e-5);
    expect(back.shortcut === undefined).toBe(!hasShortcut);
    if (back.shortcut !== undefined) expect(relativeError(back.shortcut, gradOf(ss)!)).toBeLessThan(1e-9);
  },
);

testKernel("the variance of numbers far from 0 is exact", () => {
  const far = example([30, 8, 16, 16], "float32").x.add(3000);
  const exact = far.to("float64").sub(far.to("float64").meanDim({ dim: [0, 2, 3], keepdim: true }));
  expect(relativeError(channelMoments(far).select(0, 1), exact.pow(2).meanDim({ dim: [0, 2, 3] }))).toBeLessThan(1e-6);
});

testKernel("what is not a number stays so", () => {
  const x = tensor([1, Number.NaN, 2, 3], { shape: [1, 2, 1, 2] });
  const task = { weight: ones([2]), bias: zeros([2]), eps, isRectified: true };
  const output = fusedBatchNorm({ ...task, x, moments: channelMoments(x) });
  expect(output.toArray().map(Number.isNaN)).toEqual([true, true, false, false]);
});

testKernel("the number of threads changes nothing", () => {
  const { x, shortcut, gradient, weight, bias } = example([16, 24, 40, 40], "float32");
  expectSameOnThreads(() => {
    const task = { weight, bias, eps, isRectified: true };
    const moments = channelMoments(x);
    const output = fusedBatchNorm({ ...task, x, moments, shortcut });
    const back = fusedBatchNormBackward(gradient, { ...task, x, moments, output });
    return [output, moments, back.dx, back.weight, back.bias, back.shortcut!];
  });
});

testKernel("the kernels take what they were made for alone", () => {
  const { x, shortcut, weight, bias } = example([2, 5, 3, 4], "float32");
  const task = { x, moments: channelMoments(x), weight, bias, eps, isRectified: true };
  expect(fusesBatchNorm(x.to("float64"), task)).toBe(false);
  expect(fusesBatchNorm(randn([1, 5, 1, 1]), task)).toBe(false);
  expect(() => fusedBatchNorm({ ...task, weight: randn([4]) })).toThrow(
    "weight: expected contiguous float32 on a CPU, [5]",
  );
  expect(() => fusedBatchNorm({ ...task, shortcut: shortcut.to("bfloat16") })).toThrow(
    "shortcut: expected the type, shape and layout of x",
  );
  expect(() => native.batchNormMoments(x.contiguous().handle)).toThrow(
    "x: expected channels-last pictures of float32 or bfloat16 on a CPU",
  );
});
