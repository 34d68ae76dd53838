// FastCLIP-v2 (iSogCLR with a cosine gamma): the robust loss with a temperature of its own for each image and each text.
import { stack, type Tensor, zeros } from "../tensor/index.ts";
import { InnerEstimator } from "./estimator.ts";
import { type Anchors, gradientSums, gradientsOfFeatures } from "./gradient.ts";
import { infoNce } from "./infonce.ts";
import { innerStatistics } from "./inner.ts";
import { type Known, mapKnown } from "./known.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult, Seen } from "./loss.ts";
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
  readonly keepsPairs = true;
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

  /** The scalars are log u, bound, the temperature that they were measured with, and its gradient, [b, 4]. */
  inner({ features, ids, gamma }: LossInput): InnerResult {
    const tau = this.#temperatures.of(ids);
    const statistics = innerStatistics(
      features,
      mapPair(tau, (value) => value.reciprocal()),
    );
    const logG = mapPair(statistics, (side) => side.logG);
    const logU = this.#estimator.updated(ids, logG, gamma);
    const scalars = mapPair(statistics, ({ largestDifference, meanDifference }, side) => {
      const bound = this.#bound[side].indexSelect(0, ids).maximum(largestDifference);
      const logWeight = this.#logWeight(logU[side], bound);
      // d/d tau_i of tau_i (log(eps + g_i) + rho), with u for g: log w + rho - (g / w) * mean of the differences over tau_i.
      const share = logG[side].sub(logWeight).exp();
      const gradient = logWeight.add(this.#rho).sub(share.mul(meanDifference));
      return stack([logU[side], bound, tau[side], gradient], { dim: 1 });
    });
    return { scalars, infoNce: infoNce(features, logG) };
  }

  /** The global temperature is not used, so its gradient is 0. */
  gradients({ features }: LossInput, scalars: Known<Tensor>): LossResult {
    const [b, B] = [features.local.image.size(0), features.all.image.size(0)];
    const anchors = mapKnown(scalars, (values): Anchors => {
      const { logU, bound, tau } = columnsOf(values);
      return { logWeight: this.#logWeight(logU, bound), inverseTau: tau.reciprocal() };
    });
    const sums = gradientSums(features, { anchors, factor: 1 / (2 * b * (B - 1)) });
    return { ...gradientsOfFeatures(sums), loss: sums.own.add(sums.others), logScale: zeros([]) };
  }

  store({ ids, scalars, epoch }: Seen): void {
    const columns = mapPair(scalars, columnsOf);
    this.#estimator.store(
      ids,
      mapPair(columns, ({ logU }) => logU),
    );
    this.#temperatures.update(
      ids,
      mapPair(columns, ({ gradient }) => gradient),
      epoch,
    );
    mapPair(columns, ({ bound }, side) => this.#bound[side].indexCopy_(0, ids, bound));
  }

  /** log(eps exp(bound) + u) */
  #logWeight(logU: Tensor, bound: Tensor): Tensor {
    return logU.logaddexp(bound.add(this.#logEps));
  }
}

/** Of scalars [n, 4]. */
function columnsOf(scalars: Tensor): Record<"logU" | "bound" | "tau" | "gradient", Tensor> {
  const [logU, bound, tau, gradient] = scalars.unbind({ dim: 1 }) as [Tensor, Tensor, Tensor, Tensor];
  return { logU, bound, tau, gradient };
}
