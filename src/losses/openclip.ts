// OpenCLIP's loss (ClipLoss): the mini-batch contrastive loss, or InfoNCE.
import { full, type Tensor } from "../tensor/index.ts";
import { gradientsOfFeatures, sharedTemperatureSums } from "./gradient.ts";
import { infoNce } from "./infonce.ts";
import { logInnerFunction } from "./inner.ts";
import { type Known, localRows, mapKnown } from "./known.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult } from "./loss.ts";

/**
 * InfoNCE of the global batch. For one anchor it is log(1 + (B-1) g_i), and so d/dg_i of it is 1 / (1/(B-1) + g_i): the same
 * gradient as FastCLIP's with g_i in place of u_i and eps = 1/(B-1). The scalars that ranks exchange are log g.
 */
export class OpenClipLoss implements ContrastiveLoss {
  readonly keepsPairs = false;

  inner({ features, tau }: LossInput): InnerResult {
    const inverseTau = full([1], 1 / tau, { dtype: features.local.image.dtype });
    const logG = logInnerFunction(features, { image: inverseTau, text: inverseTau });
    return { scalars: logG, infoNce: infoNce(features, logG) };
  }

  gradients({ features, tau }: LossInput, logG: Known<Tensor>): LossResult {
    const [b, B] = [features.local.image.size(0), features.all.image.size(0)];
    const logWeight = mapKnown(logG, (value) => value.logaddexp(full([1], -Math.log(B - 1))));
    const sums = sharedTemperatureSums(features, { tau, logWeight, factor: 1 / (2 * b * (B - 1)) });
    return {
      ...gradientsOfFeatures(sums),
      loss: infoNce(features, localRows(logG, features)),
      logScale: sums.ownByLogScale,
    };
  }

  /** It keeps nothing of any pair. */
  store(): void {}
}
