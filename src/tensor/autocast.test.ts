import { expect, test } from "vitest";
import {
  autocast,
  backward,
  type DType,
  gradOf,
  linear,
  ones,
  type Tensor,
  tensorMemory,
  withoutAutocast,
} from "./index.ts";

const product = (): DType => ones([2, 4]).matmul(ones([4, 3])).dtype;
const bfloat16 = <T>(body: () => T): T => autocast({ device: "cpu", dtype: "bfloat16" }, body);

test("products are made in the given type, sums and the rest are not", () => {
  expect(product()).toBe("float32");
  expect(bfloat16(product)).toBe("bfloat16");
  expect(bfloat16(() => ones([2]).sum().dtype)).toBe("float32");
  expect(product()).toBe("float32");
});

test("regions nest, and each end brings back what was before", () => {
  const types = bfloat16(() => [
    product(),
    autocast({ device: "cpu", dtype: "float16" }, product),
    product(),
    bfloat16(product),
    product(),
  ]);
  expect(types).toEqual(["bfloat16", "float16", "bfloat16", "bfloat16", "bfloat16"]);
  expect(product()).toBe("float32");
});

test("an inner region of another type does not take casts of the outer one", () => {
  const weight = ones([3, 4]).requireGrad();
  const layer = (): DType => linear(ones([2, 4]), weight).dtype;
  expect(bfloat16(() => [layer(), autocast({ device: "cpu", dtype: "float16" }, layer), layer()])).toEqual([
    "bfloat16",
    "float16",
    "bfloat16",
  ]);
});

test("within a region it can be left out for a while", () => {
  const types = bfloat16(() => [
    withoutAutocast({ device: "cpu" }, product),
    product(),
    withoutAutocast({ device: "cpu" }, () => bfloat16(product)),
  ]);
  expect(types).toEqual(["float32", "bfloat16", "bfloat16"]);
  expect(withoutAutocast({ device: "cpu" }, product)).toBe("float32");
  expect(bfloat16(product)).toBe("bfloat16");
});

test("an error ends the region", () => {
  expect(() =>
    bfloat16(() => {
      throw new Error("mine");
    }),
  ).toThrow("mine");
  expect(product()).toBe("float32");
});

test("gradients have their leaf's type", () => {
  const weight = ones([3, 4]).requireGrad();
  backward([
    bfloat16(() =>
      linear(ones([2, 4]), weight)
        .to("float32")
        .sum(),
    ),
  ]);
  expect([gradOf(weight)!.dtype, gradOf(weight)!.toArray()]).toEqual(["float32", Array(12).fill(2)]);
});

test("a weight's cast is kept within the region and dropped at its end", () => {
  const weight: Tensor = ones([1024, 1024]).requireGrad();
  const input = ones([1, 1024]);
  const { used } = tensorMemory();
  const castBytes = 2 * 1024 * 1024;
  bfloat16(() => {
    linear(input, weight).free();
    const once = tensorMemory().used - used;
    linear(input, weight).free();
    expect(once).toBeGreaterThanOrEqual(castBytes);
    expect(tensorMemory().used - used).toBe(once);
  });
  expect(tensorMemory().used).toBe(used);
});

test("a device or type that is none is refused", () => {
  expect(() => autocast({ device: "gpu" as "cpu", dtype: "bfloat16" }, product)).toThrow(/device/i);
  expect(() => autocast({ device: "cpu", dtype: "float8" as DType }, product)).toThrow("dtype: expected one of");
  expect(product()).toBe("float32");
});
