// Adam's moments and its update by a fused kernel, libtorch's or the addon's, which AdamW and LAMB share.
import { foreachAdd_, fusedAdamw_, fusesMixedAdamw, mixedAdamw_, type Tensor, zeros } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";
import { fullGradients, type Update } from "./optimizer.ts";
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
  task: Pick<Update, "names" | "gradients" | "gradientFactor" | "lr" | "weightDecay"> & {
    readonly options: AdamOptions;
    readonly state: AdamState;
  },
): void {
  const { names, gradients, gradientFactor, lr, weightDecay, options, state } = task;
  const { beta1, beta2, eps } = options;
  const stateSteps = state.list(names, "step");
  foreachAdd_(stateSteps, 1);
  const moments = { expAvgs: state.list(names, "exp_avg"), expAvgSqs: state.list(names, "exp_avg_sq") };
  const common = { lr, beta1, beta2, eps, weightDecay, stateSteps, ...moments };
  if (fusesMixedAdamw(gradients)) {
    mixedAdamw_(targets, { ...common, grads: gradients, gradientFactor });
    return;
  }
  const grads = fullGradients(task);
  fusedAdamw_(targets, { ...common, grads, maxExpAvgSqs: [], amsgrad: false, maximize: false });
}
