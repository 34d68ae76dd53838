// AdamW (Loshchilov and Hutter, arXiv 1711.05101), with libtorch's fused kernel.
import { fusedAdamw_, type NamedTensors, scope, type Tensor, zeros } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";
import { type LearningRates, loadState, type Optimizer, withGradients } from "./optimizer.ts";

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

interface Moments {
  readonly first: Tensor;
  readonly second: Tensor;
  /** Steps taken, a float32 scalar, as the fused kernel wants it. */
  readonly steps: Tensor;
}

/** Moments m and v, bias-corrected; decoupled weight decay: p <- p - lr (m / (sqrt(v) + eps) + weightDecay p). */
export class AdamW implements Optimizer {
  readonly #groups: readonly ParameterGroup[];
  readonly #options: AdamWOptions;
  readonly #moments = new Map<string, Moments>();

  constructor(groups: readonly ParameterGroup[], options: AdamWOptions) {
    this.#groups = groups;
    this.#options = options;
    for (const { parameters } of groups)
      for (const [name, parameter] of parameters)
        this.#moments.set(name, {
          first: parameter.zerosLike().keep(),
          second: parameter.zerosLike().keep(),
          steps: zeros([]).keep(),
        });
  }

  step(learningRates: LearningRates): void {
    scope(() => {
      for (const group of this.#groups) this.#stepGroup(group, learningRates[group.name]);
    });
  }

  #stepGroup(group: ParameterGroup, lr: number): void {
    const members = withGradients(group);
    if (members.length === 0) return;
    const moments = members.map(({ name }) => this.#moments.get(name)!);
    for (const { steps } of moments) steps.add_(1);
    fusedAdamw_(
      members.map(({ parameter }) => parameter),
      {
        grads: members.map(({ gradient }) => gradient),
        expAvgs: moments.map(({ first }) => first),
        expAvgSqs: moments.map(({ second }) => second),
        maxExpAvgSqs: [],
        stateSteps: moments.map(({ steps }) => steps),
        ...this.#options,
        lr,
        weightDecay: group.weightDecay,
        amsgrad: false,
        maximize: false,
      },
    );
  }

  state(): NamedTensors {
    return new Map(
      [...this.#moments].flatMap(([name, { first, second, steps }]): [string, Tensor][] => [
        [`${name}/exp_avg`, first],
        [`${name}/exp_avg_sq`, second],
        [`${name}/step`, steps],
      ]),
    );
  }

  load(state: NamedTensors): void {
    loadState(this.state(), state);
  }
}
