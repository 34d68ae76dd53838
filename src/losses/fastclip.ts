// FastCLIP's losses v0, v1 and v3 (arXiv 2407.01445): finite-sum coupled compositional optimization with a global temperature.
import { full, type Tensor } from "../tensor/index.ts";
import type { InnerEstimator } from "./estimator.ts";
import { gradientsOfFeatures, sharedTemperatureSums } from "./gradient.ts";
import { infoNce } from "./infonce.ts";
import { logInnerFunction } from "./inner.ts";
import { type Known, localRows, mapKnown } from "./known.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult, Seen } from "./loss.ts";
import { mapPair, type Pair } from "./pair.ts";

/**
 * How the gradient of tau is formed in v0 and v3. The reference differentiates its terms once as anchors and once as
 * negatives, so that the part of the exponentials counts twice; "exact" counts it once. See docs/method.md.
 */
type TauGradient = "reference" | "exact";

export type Objective =
  /** v0 and v1: F = mean_i (log(eps + g1_i) + log(eps + g2_i)) / 2. In v1 tau is a constant. */
  | { readonly kind: "global"; readonly tauGradient: TauGradient }
  /** v3: the robust loss, F = tau * (mean_i (log(eps + g1_i) + log(eps + g2_i)) / 2 + rho). */
  | { readonly kind: "robust"; readonly rho: number; readonly tauGradient: TauGradient };

export class FastClipLoss implements ContrastiveLoss {
  readonly keepsPairs = true;
  readonly #objective: Objective;
  readonly #logEps: number;
  readonly #estimator: InnerEstimator;

  constructor(options: { objective: Objective; eps: number; estimator: InnerEstimator }) {
    this.#objective = options.objective;
    this.#logEps = Math.log(options.eps);
    this.#estimator = options.estimator;
  }

  /** g, then u <- (1 - gamma) u + gamma g; the scalars are the new log u. */
  inner({ features, ids, tau, gamma }: LossInput): InnerResult {
    const inverseTau = full([1], 1 / tau, { dtype: features.local.image.dtype });
    const logG = logInnerFunction(features, { image: inverseTau, text: inverseTau });
    return { scalars: this.#estimator.updated(ids, logG, gamma), infoNce: infoNce(features, logG) };
  }

  /** Weights each anchor's terms by 1 / (eps + u). */
  gradients({ features, tau }: LossInput, logU: Known<Tensor>): LossResult {
    const [b, B] = [features.local.image.size(0), features.all.image.size(0)];
    const logWeight = mapKnown(logU, (value) => value.logaddexp(full([1], this.#logEps)));
    // F is a mean over pairs and over two sides; each inner function is a mean over B - 1 negatives.
    const global = sharedTemperatureSums(features, { tau, logWeight, factor: 1 / (2 * b * (B - 1)) });
    const byLogScale = { reference: global.ownByLogScale.add(global.othersByLogScale), exact: global.ownByLogScale };
    const loss = global.own.add(global.others);
    if (this.#objective.kind === "global")
      return { ...gradientsOfFeatures(global), loss, logScale: byLogScale[this.#objective.tauGradient] };

    // F = tau * (global + rho): the product rule, with log u in the reference's place of the inner functions' logarithms.
    const { rho, tauGradient } = this.#objective;
    const [ownLogU, ownLogWeight] = [localRows(logU, features), localRows(logWeight, features)];
    const robust = meanOfSides({ reference: ownLogU, exact: ownLogWeight }[tauGradient]).add(rho);
    const timesTau = (values: Pair<Tensor>): Pair<Tensor> => mapPair(values, (gradient) => gradient.mul_(tau));
    return {
      loss: loss.add(meanOfSides(ownLogU)).add(rho).mul(tau),
      features: timesTau(global.features),
      ...(global.partners && { partners: timesTau(global.partners) }),
      logScale: byLogScale[tauGradient].sub(robust).mul(tau),
    };
  }

  store({ ids, scalars: logU }: Seen): void {
    this.#estimator.store(ids, logU);
  }
}

const meanOfSides = ({ image, text }: Pair<Tensor>): Tensor => image.add(text).mean().div(2);
