// What a product of matrices alone reaches on this machine, to measure a step by.
import { type DType, noGrad, type Product, randn, scope } from "../../tensor/index.ts";

const milliseconds = 300; // long enough for the fastest of several turns, short enough for other processes to wait
const leastTurns = 3;

/** Floating-point operations in a second of a product of matrices [m, k] and [k, n] in `dtype`, in the fastest of several turns. */
export function matmulSpeed({ m, k, n }: Product, dtype: DType): number {
  return noGrad(() =>
    scope(() => {
      const [a, b] = [randn([m, k]).to(dtype), randn([k, n]).to(dtype)];
      const begun = performance.now();
      let fastest = Infinity;
      for (let turn = 0; turn < leastTurns || performance.now() - begun < milliseconds; turn++) {
        const start = performance.now();
        scope(() => void a.matmul(b));
        fastest = Math.min(fastest, performance.now() - start);
      }
      return (2 * m * k * n * 1000) / fastest;
    }),
  );
}
