// The exponential moving average of a model's weights, by the rule of timm's ModelEmaV3.
import { foreachLerp_, type NamedTensors, noGrad, type Tensor } from "../tensor/index.ts";

export interface EmaOptions {
  /** Share of the average that a step leaves as it is. */
  readonly decay: number;
  /** Begin with a smaller share, so that the first weights are soon forgotten. */
  readonly warmup: boolean;
}

const warmupPower = 2 / 3; // timm's default

/** The decay of step n, from 1: 0 in the first, so that the average starts there; with a warm-up min(decay, 1 - n^(-2/3)). */
export function emaDecay(step: number, { decay, warmup }: EmaOptions): number {
  if (step <= 1) return 0;
  return warmup ? Math.min(decay, 1 - step ** -warmupPower) : decay;
}

/** average <- decay average + (1 - decay) weight. Whole numbers (batch norm's counts) are copied. */
export class Ema {
  readonly #weights: NamedTensors;
  readonly #averages: NamedTensors;
  readonly #options: EmaOptions;

  /** `weights` are all parameters and buffers that training changes. */
  constructor(weights: NamedTensors, options: EmaOptions) {
    this.#weights = weights;
    this.#options = options;
    this.#averages = new Map([...weights].map(([name, weight]) => [name, noGrad(() => weight.clone().keep())]));
  }

  /** Takes in the weights as step `step` of the whole run (from 1) left them. */
  update(step: number): void {
    const isCount = ({ dtype }: Tensor): boolean => dtype === "int64";
    const pairs = this.#pairs();
    const floats = pairs.filter(({ weight }) => !isCount(weight));
    const [averages, weights] = [floats.map(({ average }) => average), floats.map(({ weight }) => weight)];
    noGrad(() => {
      foreachLerp_(averages, weights, 1 - emaDecay(step, this.#options));
      for (const { weight, average } of pairs) if (isCount(weight)) average.copy_(weight);
    });
  }

  /** Runs `body` with the averages in the place of the weights. */
  async inPlace<T>(body: () => Promise<T>): Promise<T> {
    this.#exchange();
    try {
      return await body();
    } finally {
      this.#exchange();
    }
  }

  /** The averages, not copied, by the names of the weights. */
  state(): NamedTensors {
    return this.#averages;
  }

  /** Copies saved averages, of which there may be more, into its own. */
  load(saved: NamedTensors): void {
    for (const [name, average] of this.#averages) {
      const value = saved.get(name);
      if (value === undefined) throw new Error(`the saved average of the weights holds no ${name}`);
      noGrad(() => average.copy_(value));
    }
  }

  #pairs(): { weight: Tensor; average: Tensor }[] {
    return [...this.#weights].map(([name, weight]) => ({ weight, average: this.#averages.get(name)! }));
  }

  #exchange(): void {
    for (const { weight, average } of this.#pairs()) {
      const data = weight.detach();
      weight.setData(average);
      average.setData(data);
      data.free();
    }
  }
}
