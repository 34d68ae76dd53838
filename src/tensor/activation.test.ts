// What it computes is tested in ../nn/activation.test.ts.
import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { fusesGelu, randn, type Tensor } from "./index.ts";

test.runIf(fusesGelu(randn([1]).to("bfloat16")))("the kernel takes what it was made for alone", () => {
  const x = randn([4, 6]).to("bfloat16");
  const back = (gradient: Tensor, other = x) => native.activateBackward(gradient.handle, other.handle, false);
  expect(() => back(x.t())).toThrow("gradient: expected the shape of x");
  const wanted = "expected contiguous float32 or bfloat16 on a CPU, both of one type";
  expect(() => back(x.to("float32"))).toThrow(`gradient: ${wanted}`);
  expect(() => back(x, x.t().contiguous().t())).toThrow(`x: ${wanted}`);
  expect(() => back(x.to("float64"), x.to("float64"))).toThrow(`x: ${wanted}`);
});
