import { expect, test } from "vitest";
import { outcomes, startGroup } from "./children.fixture.ts";

interface Gradients {
  steps: { sums: number[]; live: number }[];
  first: number[];
  calls: number;
  bytes: number;
}

async function gradients(size: number): Promise<Gradients[]> {
  const ends = await outcomes(await startGroup(size, { task: "gradients" }));
  return ends.map(({ result, error }) => {
    if (error !== undefined) throw new Error(error);
    return result as Gradients;
  });
}

test("two processes collect the mean of their gradients over two micro-batches, in buckets", async () => {
  const [[one], [first, second]] = await Promise.all([gradients(1), gradients(2)]);
  expect(first).toEqual(second);
  // The loss is a sum over rows, so a process alone with all of them has twice the mean of two that have half each.
  const ratios = (sums: number[], all: number[]): number[] => all.map((value, i) => value / sums[i]!);
  const two = (ratio: number): boolean => Math.abs(ratio - 2) < 1e-4;
  expect(ratios(first!.first, one!.first).every(two)).toBe(true);
  for (const [step, { sums }] of first!.steps.entries())
    expect(ratios(sums, one!.steps[step]!.sums).every(two)).toBe(true);
  expect(new Set(first!.steps.map(({ live }) => live)).size).toBe(1);
  // 8x64 + 64x64 + 64x4 numbers of 4 bytes in each step; the large layer is a bucket of its own.
  expect(first!.bytes).toBe(3 * 4 * (512 + 4096 + 256));
  expect(first!.calls).toBeGreaterThan(3);
  expect(one).toMatchObject({ calls: 0, bytes: 0 });
});

test("a parameter to which no gradient comes is named", async () => {
  const error = "no gradient came to unused, so none were averaged";
  expect(await outcomes(await startGroup(2, { task: "lackGradient" }))).toEqual([{ error }, { error }]);
});
