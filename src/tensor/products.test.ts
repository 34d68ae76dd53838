import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { randn, Tensor, transposedProduct } from "./index.ts";

// Whole blocks of 8 x 8, stripes of 32 rows, lines of 32 columns, and edges of all kinds.
test.each([
  [8, 8],
  [16, 64],
  [1, 1],
  [7, 100],
  [100, 7],
  [33, 21],
  [260, 129],
])("a copy of [%d, %d] lies transposed in memory", (rows, columns) => {
  const matrix = randn([rows, columns]).to("bfloat16");
  const copy = new Tensor(native.transposedCopy(matrix.handle));
  expect(copy.strides).toEqual([rows, 1]);
  expect(copy.eq(matrix.t()).all().item()).toBe(1);
});

test("rows may lie apart, elements of a row may not", () => {
  const matrix = randn([20, 40]).to("bfloat16");
  const part = matrix.narrow(1, 4, 30);
  expect(new Tensor(native.transposedCopy(part.handle)).eq(part.t()).all().item()).toBe(1);
  for (const other of [matrix.t(), matrix.to("float32"), matrix.flatten()])
    expect(() => native.transposedCopy(other.handle)).toThrow("expected a matrix of 2-byte elements");
});

test.each(["bfloat16", "float32", "float64"] as const)("a^T b in %s", (dtype) => {
  const [a, b] = [randn([40, 24]).to(dtype), randn([40, 16]).to(dtype)];
  const [found, expected] = [a, a.t().contiguous().t()].map((x) => transposedProduct(x, b).to("float64"));
  const exact = a.to("float64").t().mm(b.to("float64"));
  for (const product of [found!, expected!])
    expect(product.sub(exact).norm().item() / exact.norm().item()).toBeLessThan(dtype === "bfloat16" ? 4e-3 : 1e-6);
});
