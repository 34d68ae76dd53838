// InfoNCE from the inner functions.
import { full, type Tensor } from "../tensor/index.ts";
import type { Features } from "./features.ts";
import { mapPair, type Pair } from "./pair.ts";

/**
 * The mean of InfoNCE (OpenCLIP's loss) over this rank's pairs and both sides, []. For one anchor it is
 * log(sum_j exp(s_ij/tau)) - s_ii/tau = log(1 + (B-1) g_i); without any information it is ln B.
 */
export function infoNce(features: Features, logG: Pair<Tensor>): Tensor {
  const negatives = Math.log(features.all.image.size(0) - 1);
  const { image, text } = mapPair(logG, (value) => value.add(negatives).logaddexp(full([1], 0)));
  return image.add(text).mean().div(2);
}
