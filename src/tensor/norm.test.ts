import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { manualSeed, normOf, ones, randn, tensor } from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

test("the norm is that of all tensors together", () => {
  expect(normOf([tensor([3, 0]), tensor([0, 4], { shape: [2, 1] }), tensor(12).to("bfloat16")])).toBe(13); // sqrt(9 + 16 + 144)
  expect(normOf([tensor([3], { dtype: "float64" }), tensor([4])])).toBe(5);
  expect(normOf([])).toBe(0);
  expect(normOf([tensor([1, Number.NaN])])).toBeNaN();
  expect(normOf([tensor([1, Number.POSITIVE_INFINITY]), tensor([1])])).toBe(Number.POSITIVE_INFINITY);
});

test.each(["float32", "bfloat16"] as const)("sums of many parts, ends and layouts, in %s", (dtype) => {
  manualSeed(1);
  const tensors = [randn([300, 777]), randn([2, 3, 8, 8]).contiguous({ memoryFormat: "channelsLast" }), randn([5])];
  const rounded = tensors.map((x) => x.to(dtype));
  const exact = Math.hypot(...rounded.map((x) => x.to("float64").norm().item()));
  // Other processors than the kernel's sum up in float32.
  const error = native.hasAvx512BFloat16() ? 5e-10 : 1e-5 * exact;
  expect(Math.abs(normOf(rounded) - exact)).toBeLessThan(error);
});

test.runIf(native.hasAvx512BFloat16())("the number of threads changes nothing", () => {
  manualSeed(1);
  const tensors = [randn([900, 777]).to("bfloat16"), randn([300, 500])];
  expectSameOnThreads(() => [tensor([normOf(tensors)], { dtype: "float64" })]);
});

test.runIf(native.hasAvx512BFloat16())("the kernel takes dense tensors of two types alone", () => {
  for (const other of [ones([4]).to("float64"), ones([4, 4]).narrow(1, 0, 2)])
    expect(() => native.normOf([other.handle])).toThrow("expected dense tensors of float32 or bfloat16 on a CPU");
});
