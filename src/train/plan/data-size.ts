// How many pairs the training data has, for the plan.
import { expandPatterns } from "../../data/patterns.ts";
import { mixedLength } from "../../data/plan/mixed.ts";
import { formatCount } from "../../telemetry/format.ts";
import type { Config } from "../config/types.ts";
import { openConfigured } from "../data.ts";
import type { DataSize } from "./plan.ts";

/** Counted from the shards' tar headers where the shards are there, else as `data.trainSize` says. */
export async function findDataSize(config: Config): Promise<DataSize> {
  const { train, trainSize } = config.data;
  try {
    await expandPatterns(train);
  } catch (error) {
    const { message } = error as Error;
    if (trainSize !== undefined) return { size: trainSize, source: `as set; not counted, because ${message}` };
    throw new Error(`${message}; a plan without the data needs its number of pairs (--train-num-samples)`);
  }
  const dataset = await openConfigured(train, { config, onFault: () => {}, onMessage: console.error });
  const { size, shards, patternStarts } = dataset;
  dataset.close();
  const differs =
    trainSize === undefined || trainSize === size ? "" : `, not the ${formatCount(trainSize)} that are set`;
  const { upsampling: factors } = config.data;
  const mixed = factors && { epochSize: mixedLength({ starts: patternStarts, factors }) };
  return { size, ...mixed, source: `counted in ${formatCount(shards.length)} shards${differs}` };
}
