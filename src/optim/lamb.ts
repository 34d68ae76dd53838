// LAMB (You et al., arXiv 1904.00962), the variant of FastCLIP's authors.
import {
  foreachAdd_,
  foreachMul,
  foreachMulEach_,
  foreachNorm,
  type NamedTensors,
  stack,
  type Tensor,
} from "../tensor/index.ts";
import { type AdamOptions, type AdamState, adamState, adamStep_ } from "./adam.ts";
import type { ParameterGroup } from "./groups.ts";
import { type LearningRates, type Optimizer, type StepOptions, type Update, updateAll } from "./optimizer.ts";

/**
 * Adam with a step length of its own for every parameter that decays: with d = mHat / (sqrt(vHat) + eps) + weightDecay p,
 *   p <- p - lr (|p| / |d|) d,  where |p| / |d| is taken as 1 if either is 0.
 * A parameter that does not decay takes Adam's step.
 */
export class Lamb implements Optimizer {
  readonly #groups: readonly ParameterGroup[];
  readonly #options: AdamOptions;
  readonly #state: AdamState;

  constructor(groups: readonly ParameterGroup[], options: AdamOptions) {
    this.#groups = groups;
    this.#options = options;
    this.#state = adamState(groups);
  }

  step(learningRates: LearningRates, options: StepOptions = {}): void {
    updateAll(this.#groups, { ...options, learningRates, update: (update) => this.#update(update) });
  }

  #update(update: Update): void {
    const { parameters, weightDecay, lr } = update;
    const task = { ...update, options: this.#options, state: this.#state };
    if (weightDecay === 0) {
      adamStep_(parameters, task);
      return;
    }
    // Adam's step of length 1 from -weightDecay p, with no further decay, ends at -d.
    const directions = foreachMul(parameters, -weightDecay);
    adamStep_(directions, { ...task, lr: 1, weightDecay: 0 });
    foreachMulEach_(directions, trustRatios(parameters, directions));
    foreachAdd_(parameters, directions, { alpha: lr });
  }

  state(): NamedTensors {
    return this.#state.all();
  }

  load(state: NamedTensors): void {
    this.#state.load(state);
  }
}

/** |p| / |d| of each pair, scalars; 1 where either norm is 0. */
function trustRatios(parameters: readonly Tensor[], directions: readonly Tensor[]): Tensor[] {
  const weights = stack(foreachNorm(parameters));
  const steps = stack(foreachNorm(directions));
  const eitherZero = weights.minimum(steps).le(0);
  return weights.div(steps).maskedFill(eitherZero, 1).unbind();
}
