import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { randn, Tensor, transposedProduct, transposedProductAndSums } from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

function transposedCopy(matrix: Tensor): [copy: Tensor, sums: Tensor] {
  return native.transposedCopy(matrix.handle).map((handle) => new Tensor(handle)) as [Tensor, Tensor];
}

const testKernel = test.runIf(native.hasAvx512BFloat16());

// Whole blocks of 8 x 8, stripes of 32 rows, lines of 32 columns, edges of all kinds, and a matrix that goes past the cache.
testKernel.each([
  [8, 8],
  [16, 64],
  [1, 1],
  [7, 100],
  [100, 7],
  [33, 21],
  [260, 129],
  [1000, 640],
])("a copy of [%d, %d] lies transposed in memory", (rows, columns) => {
  const matrix = randn([rows, columns]).to("bfloat16");
  const [copy, sums] = transposedCopy(matrix);
  expect(copy.strides).toEqual([Math.ceil(rows / 32) * 32, 1]);
  expect(copy.eq(matrix.t()).all().item()).toBe(1);
  const exact = matrix.to("float64").sumDim({ dim: [0] });
  // Half a unit of bfloat16's last place, and what float32 rounds on the way.
  expect(
    sums
      .to("float64")
      .sub(exact)
      .abs()
      .sub(exact.abs().mul(2 ** -8))
      .max()
      .item(),
  ).toBeLessThan(1e-4);
});

testKernel("the number of threads changes nothing", () => {
  const matrix = randn([1000, 640]).to("bfloat16");
  expectSameOnThreads(() => transposedCopy(matrix));
});

testKernel("rows may lie apart, elements of a row may not", () => {
  const matrix = randn([20, 40]).to("bfloat16");
  const part = matrix.narrow(1, 4, 30);
  expect(transposedCopy(part)[0].eq(part.t()).all().item()).toBe(1);
  for (const other of [matrix.t(), matrix.to("float32"), matrix.flatten()])
    expect(() => native.transposedCopy(other.handle)).toThrow("expected a matrix of bfloat16");
});

test.each(["bfloat16", "float32", "float64"] as const)("a^T b in %s", (dtype) => {
  for (const [m, n] of [
    [24, 16],
    [16, 24],
  ] as const) {
    const [a, b] = [randn([40, m]).to(dtype), randn([40, n]).to(dtype)];
    const exact = a.to("float64").t().mm(b.to("float64"));
    for (const matrix of [a, a.t().contiguous().t()])
      for (const product of [transposedProduct(matrix, b), transposedProductAndSums(matrix, b)[0]]) {
        expect(product.strides).toEqual([n, 1]);
        const error = product.to("float64").sub(exact).norm().item() / exact.norm().item();
        expect(error).toBeLessThan(dtype === "bfloat16" ? 4e-3 : 1e-6);
      }
  }
});
