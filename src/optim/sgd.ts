// Stochastic gradient descent with momentum (PyTorch's torch.optim.SGD), with libtorch's fused kernel.
import { fusedSgd_, type NamedTensors, type Tensor } from "../tensor/index.ts";
import type { GroupName, ParameterGroup } from "./groups.ts";
import {
  fullGradients,
  type LearningRates,
  type Optimizer,
  type StepOptions,
  type Update,
  updateAll,
} from "./optimizer.ts";
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

  step(learningRates: LearningRates, options: StepOptions = {}): void {
    updateAll(this.#groups, { ...options, learningRates, update: (update) => this.#update(update) });
  }

  #update(update: Update): void {
    const { names, parameters, group, lr, weightDecay } = update;
    const gradients = fullGradients(update);
    const { momentum, nesterov } = this.#options;
    const factor = momentum[group];
    if (factor === 0) {
      sgdStep_(parameters, { gradients, lr, weightDecay });
      return;
    }
    const buffers = this.#state.list(names, "momentum_buffer");
    sgdStep_(parameters, { gradients, lr, weightDecay, momentum: { factor, buffers, nesterov } });
  }

  state(): NamedTensors {
    return this.#state.all();
  }

  load(state: NamedTensors): void {
    this.#state.load(state);
  }
}

/** The step above; `buffers` hold b. */
export function sgdStep_(
  parameters: readonly Tensor[],
  task: Pick<Update, "gradients" | "lr" | "weightDecay"> & {
    readonly momentum?: { readonly factor: number; readonly buffers: readonly Tensor[]; readonly nesterov: boolean };
  },
): void {
  const { gradients, lr, weightDecay, momentum } = task;
  fusedSgd_(parameters, gradients, momentum?.buffers ?? [], {
    ...{ lr, weightDecay, momentum: momentum?.factor ?? 0, nesterov: momentum?.nesterov ?? false },
    dampening: 0,
    maximize: false,
    isFirstStep: false, // b starts at 0, from which this step is PyTorch's first one
  });
}
