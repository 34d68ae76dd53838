import { expect, test } from "vitest";
import { type BatchPlan, resolveBatch } from "./batch.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";

const resolved = (flags: FlagValues): BatchPlan =>
  resolveBatch(loadConfig({ flags: { "train-data": "a.tar", "batch-size": "48", ...flags } }));

test.each<[FlagValues, BatchPlan]>([
  [{}, { batchSize: 48, microBatch: 48 }],
  [{ "micro-batch": "12" }, { batchSize: 48, microBatch: 12 }],
  [{ "micro-batch": "48" }, { batchSize: 48, microBatch: 48 }],
  [{ "micro-batch": "auto" }, { batchSize: 48, microBatch: "auto" }],
  // OpenCLIP's flag makes the step larger, not its pieces smaller.
  [{ "accum-freq": "4" }, { batchSize: 192, microBatch: 48 }],
  [{ "accum-freq": "1" }, { batchSize: 48, microBatch: 48 }],
])("%j", (flags, expected) => expect(resolved(flags)).toEqual(expected));
