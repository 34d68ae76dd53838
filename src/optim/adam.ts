// Adam's moments and its update by libtorch's fused kernel, which AdamW and LAMB share.
import { foreachAdd_, fusedAdamw_, type Tensor, zeros } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";
import type { Update } from "./optimizer.ts";
import { ParameterState } from "./state.ts";

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

export type AdamState = ParameterState<"exp_avg" | "exp_avg_sq" | "step">;

/** Moments m and v, and the steps taken: a float32 scalar beside the parameter, as the fused kernel wants it. */
export function adamState(groups: readonly ParameterGroup[]): AdamState {
  return new ParameterState(groups, (parameter) => ({
    exp_avg: parameter.zerosLike(),
    exp_avg_sq: parameter.zerosLike(),
    step: zeros([], { device: parameter.device }),
  }));
}

/**
 * m <- beta1 m + (1 - beta1) gradient, v <- beta2 v + (1 - beta2) gradient^2, t <- t + 1, and for every target
 *   p <- p - lr (mHat / (sqrt(vHat) + eps) + weightDecay p),  mHat = m / (1 - beta1^t), vHat = v / (1 - beta2^t).
 */
export function adamStep_(
  targets: readonly Tensor[],
  task: Pick<Update, "names" | "gradients" | "lr" | "weightDecay"> & {
    readonly options: AdamOptions;
    readonly state: AdamState;
  },
): void {
  const { names, gradients, lr, weightDecay, options, state } = task;
  const { beta1, beta2, eps } = options;
  const stateSteps = state.list(names, "step");
  foreachAdd_(stateSteps, 1);
  fusedAdamw_(targets, {
    ...{ lr, beta1, beta2, eps, weightDecay },
    grads: gradients,
    expAvgs: state.list(names, "exp_avg"),
    expAvgSqs: state.list(names, "exp_avg_sq"),
    maxExpAvgSqs: [],
    stateSteps,
    amsgrad: false,
    maximize: false,
  });
}
