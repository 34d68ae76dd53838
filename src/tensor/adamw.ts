// AdamW's update where gradients are of a shorter type than parameters.
import { native } from "../native/addon.ts";
import type { Tensor } from "./ops.generated.ts";

export interface AdamwTask {
  readonly grads: readonly Tensor[];
  readonly expAvgs: readonly Tensor[];
  readonly expAvgSqs: readonly Tensor[];
  /** Scalars of float32 that count this update. */
  readonly stateSteps: readonly Tensor[];
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** What gradients are multiplied by. */
  readonly gradientFactor: number;
}

/** Whether `mixedAdamw_` takes these gradients: bfloat16 on a CPU with AVX-512 for it. */
export function fusesMixedAdamw(gradients: readonly Tensor[]): boolean {
  return native.hasAvx512BFloat16() && gradients.every(({ dtype, device }) => dtype === "bfloat16" && device === "cpu");
}

/** What `fusedAdamw_` does, on parameters and moments of float32 with gradients of bfloat16, all of one layout. */
export function mixedAdamw_(parameters: readonly Tensor[], task: AdamwTask): void {
  const { grads, expAvgs, expAvgSqs, stateSteps, lr, beta1, beta2, eps, weightDecay, gradientFactor } = task;
  const handles = (tensors: readonly Tensor[]): number[] => tensors.map(({ handle }) => handle);
  native.adamw(
    ...([handles(parameters), handles(grads), handles(expAvgs), handles(expAvgSqs), handles(stateSteps)] as const),
    ...([lr, beta1, beta2, eps, weightDecay, gradientFactor] as const),
  );
}
