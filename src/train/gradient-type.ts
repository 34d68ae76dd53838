// The type in which backward leaves gradients until the optimizer takes them.
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { ParameterGroup } from "../optim/groups.ts";
import { type DType, setGradDType } from "../tensor/index.ts";
import { resolveBatch } from "./batch.ts";
import type { Config } from "./config/types.ts";
import { resolvePrecision } from "./precision.ts";

export interface GradientUse {
  readonly microBatch: number;
  readonly group: Pick<ProcessGroup, "size">;
}

/**
 * The type of the gradients of matrices and kernels. With autocast each is one product in bfloat16: kept in that it is the same number in
 * half the memory. Where several are added, of micro-batches or processes, they are in float32.
 */
export function matrixGradientType(config: Config, { microBatch, group }: GradientUse): DType {
  const isWhole = microBatch * group.size >= resolveBatch(config).batchSize;
  return resolvePrecision(config.model.precision) === "amp_bf16" && isWhole && group.size === 1
    ? "bfloat16"
    : "float32";
}

/** Whether a parameter is used in a single product; embeddings are looked up and added, which autocast leaves in float32. */
function isMatrix(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !name.includes("embedding");
}

/** To be called before the first backward. */
export function setGradientTypes(groups: readonly ParameterGroup[], type: DType): void {
  for (const { parameters } of groups)
    for (const [name, parameter] of parameters) if (isMatrix(name, parameter.shape)) setGradDType(parameter, type);
}
