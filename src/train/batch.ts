// How many pairs a step has, and how many of them go through the towers at once.
import type { Config } from "./config/types.ts";

export interface BatchPlan {
  /** Pairs of one step, of all processes together. */
  readonly batchSize: number;
  /** Pairs that go through the towers at once; a divisor of `batchSize`, or "auto" while it is not known what fits into memory. */
  readonly microBatch: number | "auto";
}

/**
 * The step's batch in one piece, in micro-batches of `run.microBatch` pairs, or OpenCLIP's way: `run.accumFreq` micro-batches of
 * `run.batchSize` pairs each, so that the step has accumFreq * batchSize.
 */
export function resolveBatch({ run }: Pick<Config, "run">): BatchPlan {
  const { batchSize, microBatch = batchSize, accumFreq } = run;
  if (accumFreq !== undefined) return { batchSize: batchSize * accumFreq, microBatch: batchSize };
  return { batchSize, microBatch };
}
