// Lion (Chen et al., arXiv 2302.06675).
import { foreachLerp, foreachLerp_, foreachSign_, type NamedTensors } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";
import {
  fullGradients,
  type LearningRates,
  type Optimizer,
  type StepOptions,
  type Update,
  updateAll,
} from "./optimizer.ts";
import { sgdStep_ } from "./sgd.ts";
import { ParameterState } from "./state.ts";

export interface LionOptions {
  readonly beta1: number;
  readonly beta2: number;
}

/** With the gradient g: p <- p - lr (sign(beta1 m + (1 - beta1) g) + weightDecay p), then m <- beta2 m + (1 - beta2) g. */
export class Lion implements Optimizer {
  readonly #groups: readonly ParameterGroup[];
  readonly #options: LionOptions;
  readonly #state: ParameterState<"exp_avg">;

  constructor(groups: readonly ParameterGroup[], options: LionOptions) {
    this.#groups = groups;
    this.#options = options;
    this.#state = new ParameterState(groups, (parameter) => ({ exp_avg: parameter.zerosLike() }));
  }

  step(learningRates: LearningRates, options: StepOptions = {}): void {
    updateAll(this.#groups, { ...options, learningRates, update: (update) => this.#update(update) });
  }

  #update(update: Update): void {
    const { names, parameters, lr, weightDecay } = update;
    const gradients = fullGradients(update);
    const { beta1, beta2 } = this.#options;
    const moments = this.#state.list(names, "exp_avg");
    const directions = foreachLerp(moments, gradients, 1 - beta1);
    foreachSign_(directions);
    sgdStep_(parameters, { gradients: directions, lr, weightDecay });
    foreachLerp_(moments, gradients, 1 - beta2);
  }

  state(): NamedTensors {
    return this.#state.all();
  }

  load(state: NamedTensors): void {
    this.#state.load(state);
  }
}
