// v2's temperatures: one for each image and one for each text, each with moments of its own.
import type { Tensor } from "../tensor/index.ts";
import { mapPair, type Pair, pair } from "./pair.ts";
import type { PairState } from "./pair-state.ts";

export interface TemperatureOptions {
  /** tau of a pair that was never seen. */
  readonly init: number;
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/** The bounds of tau and of its gradient (iSogCLR; FastCLIP's reference uses the same). */
const tauMin = 0.01;
const tauMax = 1;
const gradientMax = 5;

/**
 * tau_i <- clamp(tau_i - lr m / (sqrt(v) + eps), 0.01, 1) with the moments m and v of tau_i's own gradient. They begin in epoch 1 (in
 * epoch 0 they are the gradient itself), and their bias correction counts epochs, since a pair is seen once in each.
 */
export class IndividualTemperatures {
  static readonly columns: readonly string[] = ["tau", "first", "second"].flatMap((name) => [
    `${name}.image`,
    `${name}.text`,
  ]);
  readonly #options: TemperatureOptions;
  readonly #tau: Pair<Tensor>;
  readonly #first: Pair<Tensor>;
  readonly #second: Pair<Tensor>;

  constructor(state: PairState, options: TemperatureOptions) {
    this.#options = options;
    this.#tau = pair((side) => state.column(`tau.${side}`));
    this.#first = pair((side) => state.column(`first.${side}`));
    this.#second = pair((side) => state.column(`second.${side}`));
  }

  /** The temperatures of pairs, [b]. */
  of(ids: Tensor): Pair<Tensor> {
    return mapPair(this.#tau, (all) => {
      const tau = all.indexSelect(0, ids);
      return tau.maskedFill(tau.eq(0), this.#options.init);
    });
  }

  /** One update of the pairs `ids` by the gradients of their temperatures, [b]. */
  update(ids: Tensor, gradients: Pair<Tensor>, epoch: number): void {
    const { lr, eps } = this.#options;
    const [beta1, beta2] = epoch === 0 ? [0, 0] : [this.#options.beta1, this.#options.beta2];
    const before = this.of(ids);
    mapPair(gradients, (unbounded, side) => {
      const gradient = unbounded.clamp({ min: -gradientMax, max: gradientMax });
      const first = this.#first[side]
        .indexSelect(0, ids)
        .mul(beta1)
        .add(gradient.mul(1 - beta1));
      const second = this.#second[side]
        .indexSelect(0, ids)
        .mul(beta2)
        .add(gradient.square().mul(1 - beta2));
      const corrected = { first: first.div(1 - beta1 ** (epoch + 1)), second: second.div(1 - beta2 ** (epoch + 1)) };
      const step = corrected.first.div(corrected.second.sqrt().add(eps)).mul(lr);
      this.#tau[side].indexCopy_(0, ids, before[side].sub(step).clamp({ min: tauMin, max: tauMax }));
      this.#first[side].indexCopy_(0, ids, first);
      this.#second[side].indexCopy_(0, ids, second);
    });
  }
}
