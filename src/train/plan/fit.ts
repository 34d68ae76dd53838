// The micro-batch that fits into memory, and what to lower when one did not.
import { formatBytes } from "../../telemetry/format.ts";
import { resolveBatch } from "../batch.ts";
import type { Config } from "../config/types.ts";
import { configuredModel, memoryEstimate } from "./memory.ts";

// The allocator keeps up to a quarter more than is used at once.
const usableShare = 0.8;

export interface FitOptions {
  /** Bytes that the run may take beside what the program has taken already; by default what the system or the container has left. */
  readonly available?: number;
  /** Processes that share the batch, on machines of their own; 1 if absent. */
  readonly processes?: number;
}

/**
 * The micro-batch as configured or, where that is "auto", the largest divisor of the batch whose estimate fits. To be called before
 * the model and the loader are made: what they take is part of the estimate. Throws when not even single pairs fit.
 */
export function chooseMicroBatch(config: Config, options: FitOptions = {}): number {
  const { available = process.availableMemory(), processes = 1 } = options;
  const { batchSize, microBatch } = resolveBatch(config);
  const local = batchSize / processes;
  if (microBatch !== "auto") return Math.min(microBatch, local);
  const needed = (pairs: number): number => {
    const { total, program } = memoryEstimate(config, { microBatch: pairs, processes });
    return total - program;
  };
  const fitting = divisors(local).find((pairs) => needed(pairs) <= usableShare * available);
  if (fitting !== undefined) return fitting;
  throw new Error(
    `--micro-batch auto: even single pairs of ${config.model.name} at a batch of ${local} need about ${formatBytes(needed(1))}, but of the ${formatBytes(available)} that are free ${formatBytes(usableShare * available)} can be used; lower --batch-size or take a smaller --model`,
  );
}

/** The largest first. */
function divisors(number: number): number[] {
  const all = Array.from({ length: number }, (_, i) => number - i);
  return all.filter((candidate) => number % candidate === 0);
}

/**
 * What to lower after an allocation that failed, in one sentence; undefined when the error is another one. `microBatch` is the number
 * that the run had.
 */
export function explainOutOfMemory(
  error: unknown,
  { config, microBatch }: { config: Config; microBatch: number },
): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { batchSize } = resolveBatch(config);
  const lowerBatch = `lower the batch of ${batchSize} pairs (--batch-size) or take a smaller --model than ${config.model.name}`;
  // The memory that the loader's threads share is not the engine's.
  if (/^(Array buffer allocation failed|Invalid (array buffer|typed array) length)/.test(error.message))
    return `out of memory: the batches that are read ahead do not fit; ${lowerBatch}`;
  if (!error.message.startsWith("out of memory")) return undefined;
  if (microBatch === 1) return `${error.message}; the towers run single pairs already: ${lowerBatch}`;
  const isResNet = configuredModel(config.model).vision_cfg.patch_size === null;
  const effect = isResNet ? "changes nothing but the statistics of batch norm" : "does not change the result";
  const checkpointing = config.model.gradCheckpointing ? "" : ", or turn on --grad-checkpointing";
  return `${error.message}; the towers run ${microBatch} pairs at once: lower --micro-batch, which ${effect}${checkpointing}`;
}
