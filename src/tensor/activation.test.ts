// What it computes is tested in ../nn/activation.test.ts.
import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { fusedGelu, fusedGeluBackward, fusesGelu, manualSeed, randn, type Tensor } from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

const testKernel = test.runIf(fusesGelu(randn([1]), randn([1])));

testKernel("the number of threads changes nothing", () => {
  manualSeed(1);
  const [x, gradient, bias] = [randn([300, 96]).to("bfloat16"), randn([300, 96]).to("bfloat16"), randn([96])];
  expectSameOnThreads(() => {
    const task = { x, bias, isQuick: false };
    return [fusedGelu(task), ...Object.values(fusedGeluBackward(gradient.clone(), task))];
  });
});

testKernel("the kernels take what they were made for alone", () => {
  const [x, bias] = [randn([4, 6]).to("bfloat16"), randn([6])];
  const back = (gradient: Tensor, other = x) =>
    native.activateBackward(gradient.handle, other.handle, bias.handle, false);
  expect(() => back(x.t())).toThrow("gradient: expected the shape of x");
  const wanted = "expected contiguous float32 or bfloat16 on a CPU, both of one type";
  expect(() => back(x.to("float32"))).toThrow(`gradient: ${wanted}`);
  expect(() => back(x, x.t().contiguous().t())).toThrow(`x: ${wanted}`);
  expect(() => back(x.to("float64"), x.to("float64"))).toThrow(`x: ${wanted}`);
  for (const other of [randn([5]), bias.to("bfloat16"), randn([6, 1])])
    expect(() => native.activate(x.handle, other.handle, false)).toThrow(
      "bias: expected contiguous float32 on a CPU, one number for each of a row of x",
    );
});
