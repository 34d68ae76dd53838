// AdamW (Loshchilov and Hutter, arXiv 1711.05101).
import type { NamedTensors } from "../tensor/index.ts";
import { type AdamOptions, type AdamState, adamState, adamStep_ } from "./adam.ts";
import type { ParameterGroup } from "./groups.ts";
import { type LearningRates, type Optimizer, type StepOptions, updateAll } from "./optimizer.ts";

/** Adam with decoupled weight decay. */
export class AdamW implements Optimizer {
  readonly #groups: readonly ParameterGroup[];
  readonly #options: AdamOptions;
  readonly #state: AdamState;

  constructor(groups: readonly ParameterGroup[], options: AdamOptions) {
    this.#groups = groups;
    this.#options = options;
    this.#state = adamState(groups);
  }

  step(learningRates: LearningRates, options: StepOptions = {}): void {
    const task = { options: this.#options, state: this.#state };
    updateAll(this.#groups, {
      ...options,
      learningRates,
      update: (update) => adamStep_(update.parameters, { ...update, ...task }),
    });
  }

  state(): NamedTensors {
    return this.#state.all();
  }

  load(state: NamedTensors): void {
    this.#state.load(state);
  }
}
