// Kernels share their work among threads; what comes out must not depend on how many there are.
import { expect } from "vitest";
import { setThreads, type Tensor, threads } from "./index.ts";

/** Holds the tensors of a run on one thread against those of a run on three, bit by bit. */
export function expectSameOnThreads(run: () => readonly Tensor[]): void {
  const before = threads();
  const on = (count: number): readonly Tensor[] => {
    setThreads(count);
    return run();
  };
  try {
    const [one, three] = [on(1), on(3)];
    for (const [i, x] of one.entries()) expect(x.eq(three[i]!).all().item(), `result ${i}`).toBe(1);
  } finally {
    setThreads(before);
  }
}
