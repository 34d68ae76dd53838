// Refuses what a loader is asked for that makes no sense.
import { createTransform } from "../image/transform.ts";
import { mixedLength } from "../plan/mixed.ts";
import type { LoaderOptions, Steps } from "./loader.ts";

/** How often a sample may come in an epoch. */
const mostTimes = 1000;

export function checkOptions(options: LoaderOptions): void {
  const { dataset, mix, batchSize, part, workers, contextLength, prefetch = 3, seed, dropLast } = options;
  const partSize = part?.size ?? 1;
  const whole = (name: string, value: number, least: number): void => {
    if (Number.isSafeInteger(value) && value >= least) return;
    throw new RangeError(`${name} must be a whole number, at least ${least}, but is ${value}`);
  };
  whole("batchSize", batchSize, 1);
  whole("workers", workers, 1);
  whole("contextLength", contextLength, 2);
  whole("prefetch", prefetch, 1);
  whole("seed", seed, 0);
  checkMix(options);
  const length = mix ? mixedLength(mix) : dataset.size;
  if (dropLast && length < batchSize)
    throw new RangeError(`a batch of ${batchSize} cannot be filled from a data set of ${length} samples`);
  if (batchSize % partSize !== 0)
    throw new RangeError(`a batch of ${batchSize} cannot be shared evenly by ${partSize} processes`);
  if (partSize > 1 && !dropLast) throw new RangeError("processes can share full batches only");
  // Throws for settings that make no sense, here rather than in every thread.
  createTransform(options.image);
}

function checkMix({ mix, order }: LoaderOptions): void {
  if (mix === undefined) return;
  const { starts, factors } = mix;
  if (factors.length !== starts.length - 1)
    throw new RangeError(`one factor for each of the ${starts.length - 1} patterns is expected, not ${factors.length}`);
  if (!factors.every((factor) => factor > 0 && factor <= mostTimes))
    throw new RangeError(`factors must be above 0 and at most ${mostTimes}, but are ${factors.join(", ")}`);
  if (order.kind !== "global") throw new RangeError("patterns are mixed in the global order only");
}

export function checkPosition(epoch: number, { startStep, endStep }: Required<Steps>, stepsPerEpoch: number): void {
  const whole = (name: string, value: number, { from, to = Number.MAX_SAFE_INTEGER }: Range): void => {
    if (Number.isSafeInteger(value) && value >= from && value <= to) return;
    const end = to === Number.MAX_SAFE_INTEGER ? "" : ` to ${to}`;
    throw new RangeError(`${name} must be a whole number from ${from}${end}, but is ${value}`);
  };
  whole("epoch", epoch, { from: 0 });
  whole("startStep", startStep, { from: 0, to: stepsPerEpoch });
  whole("endStep", endStep, { from: startStep, to: stepsPerEpoch });
}

interface Range {
  readonly from: number;
  readonly to?: number;
}
