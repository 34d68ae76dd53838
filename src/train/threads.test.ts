import { expect, test } from "vitest";
import { computeThreads } from "./threads.ts";

test.each([
  { cores: 8, workers: 1, localSize: 1, threads: 7 },
  { cores: 8, workers: 3, localSize: 1, threads: 5 },
  { cores: 8, workers: 1, localSize: 3, threads: 1 },
  { cores: 9, workers: 1, localSize: 3, threads: 2 },
  { cores: 2, workers: 2, localSize: 1, threads: 1 },
])(
  "$localSize processes on $cores cores with $workers loader threads each compute on $threads",
  ({ workers, threads, ...cores }) => {
    expect(computeThreads({ run: { threads: "auto" }, data: { workers } }, cores)).toBe(threads);
  },
);

test("a number of threads is taken as it is", () => {
  expect(computeThreads({ run: { threads: 16 }, data: { workers: 1 } }, { cores: 2 })).toBe(16);
});
