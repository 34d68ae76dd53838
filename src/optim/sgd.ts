// Stochastic gradient descent with momentum (PyTorch's torch.optim.SGD), with libtorch's fused kernel.
import { fusedSgd_, type NamedTensors } from "../tensor/index.ts";
import type { GroupName, ParameterGroup } from "./groups.ts";
import { type LearningRates, type Optimizer, type Update, updateAll } from "./optimizer.ts";
import { ParameterState } from "./state.ts";

export interface SgdOptions {
  readonly momentum: Readonly<Record<GroupName, number>>;
  /** Nesterov's step wherever there is momentum. */
  readonly nesterov: boolean;
}

/**
 * With g = gradient + weightDecay p: b <- momentum b + g, and p <- p - lr b; Nesterov's p <- p - lr (g + momentum b).
 * Without momentum p <- p - lr g, and no b is kept.
 */
export class Sgd implements Optimizer {
  readonly #groups: readonly ParameterGroup[];
  readonly #options: SgdOptions;
  readonly #state: ParameterState<"momentum_buffer">;

  constructor(groups: readonly ParameterGroup[], options: SgdOptions) {
    this.#groups = groups;
    this.#options = options;
    const moving = groups.filter(({ name }) => options.momentum[name] !== 0);
    this.#state = new ParameterState(moving, (parameter) => ({ momentum_buffer: parameter.zerosLike() }));
  }

  step(learningRates: LearningRates): void {
    updateAll(this.#groups, { learningRates, update: (update) => this.#update(update) });
  }

  #update({ names, parameters, gradients, group, lr, weightDecay }: Update): void {
    const momentum = this.#options.momentum[group];
    const moves = momentum !== 0;
    fusedSgd_(parameters, gradients, moves ? this.#state.list(names, "momentum_buffer") : [], {
      ...{ lr, momentum, weightDecay, nesterov: moves && this.#options.nesterov },
      dampening: 0,
      maximize: false,
      isFirstStep: false, // b starts at 0, which gives what PyTorch's first step does
    });
  }

  state(): NamedTensors {
    return this.#state.all();
  }

  load(state: NamedTensors): void {
    this.#state.load(state);
  }
}
