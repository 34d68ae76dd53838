// FastCLIP-v2 (iSogCLR with a cosine gamma): the robust loss with a temperature of its own for each image and each text.
import { full, stack, type Tensor } from "../tensor/index.ts";
import { InnerEstimator } from "./estimator.ts";
import { type Anchors, gradientSums, scaled } from "./gradient.ts";
import { infoNce } from "./infonce.ts";
import { innerStatistics } from "./inner.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult } from "./loss.ts";
import { mapPair, type Pair, pair } from "./pair.ts";
import type { PairState } from "./pair-state.ts";
import { IndividualTemperatures, type TemperatureOptions } from "./temperatures.ts";

export interface IndividualOptions {
  readonly rho: number;
  readonly eps: number;
  readonly temperature: TemperatureOptions;
}

/**
 * F = mean_i (tau1_i (log(eps + g1_i) + rho) + tau2_i (log(eps + g2_i) + rho)) / 2. The gradient of the features is that of the
 * terms over their own tau; each tau takes a step of its own as soon as its anchor is seen.
 *
 * The reference keeps u over exp(bound), where bound is the largest exponent that the anchor has met, and adds eps to that. Here u is
 * kept as it is, as a logarithm, and eps is multiplied by exp(bound) instead; so the bounds are state too.
 */
export class IndividualLoss implements ContrastiveLoss {
  static readonly columns: readonly string[] = [
    ...InnerEstimator.columns,
    ...IndividualTemperatures.columns,
    "bound.image",
    "bound.text",
  ];
  readonly #rho: number;
  readonly #logEps: number;
  readonly #estimator: InnerEstimator;
  readonly #temperatures: IndividualTemperatures;
  readonly #bound: Pair<Tensor>;

  constructor(state: PairState, options: IndividualOptions) {
    this.#rho = options.rho;
    this.#logEps = Math.log(options.eps);
    this.#estimator = new InnerEstimator(state);
    this.#temperatures = new IndividualTemperatures(state, options.temperature);
    this.#bound = pair((side) => state.column(`bound.${side}`));
  }

  /** The scalars are log(eps exp(bound) + u) and the temperature that it was measured with, [b, 2]. */
  inner({ features, ids, gamma, epoch }: LossInput): InnerResult {
    const tau = this.#temperatures.of(ids);
    const statistics = innerStatistics(
      features,
      mapPair(tau, (value) => value.reciprocal()),
    );
    const logG = mapPair(statistics, (side) => side.logG);
    const logU = this.#estimator.updated(ids, logG, gamma);
    const bound = mapPair(statistics, ({ largestDifference }, side) =>
      this.#bound[side].indexSelect(0, ids).maximum(largestDifference),
    );
    const logWeight = mapPair(logU, (value, side) => value.logaddexp(bound[side].add(this.#logEps)));
    // d/d tau_i of tau_i (log(eps + g_i) + rho), with u for g: log w + rho - (g / w) * mean of the differences over tau_i.
    const gradients = mapPair(statistics, ({ meanDifference }, side) => {
      const share = logG[side].sub(logWeight[side]).exp();
      return logWeight[side].add(this.#rho).sub(share.mul(meanDifference));
    });
    return {
      scalars: pair((side) => stack([logWeight[side], tau[side]], { dim: 1 })),
      infoNce: infoNce(features, logG),
      commit: () => {
        this.#estimator.store(ids, logU);
        this.#temperatures.update(ids, gradients, epoch);
        mapPair(bound, (value, side) => this.#bound[side].indexCopy_(0, ids, value));
      },
    };
  }

  /** The global temperature is not used, so its gradient is 0. */
  gradients({ features }: LossInput, scalars: Pair<Tensor>): LossResult {
    const [b, B] = [features.local.image.size(0), features.all.image.size(0)];
    const all = mapPair(
      scalars,
      (values): Anchors => ({ logWeight: values.select(1, 0), inverseTau: values.select(1, 1).reciprocal() }),
    );
    const local = mapPair(all, ({ logWeight, inverseTau }): Anchors => {
      const rows = (values: Tensor): Tensor => values.narrow(0, features.offset, b);
      return { logWeight: rows(logWeight), inverseTau: rows(inverseTau) };
    });
    const sums = scaled(gradientSums(features, { local, all }), 1 / (2 * b * (B - 1)));
    return { loss: sums.own.add(sums.others), features: sums.features, logScale: full([], 0) };
  }
}
