// Mean and variance of each channel over the batches of several processes.
import { cat, full, type Tensor } from "../tensor/index.ts";

/** Every process' tensor [b, ...] in the order of ranks, [K b, ...]; backward sums what all processes send back. */
export type Gather = (tensor: Tensor) => Tensor;

export interface Moments {
  /** [C] */
  readonly mean: Tensor;
  /** [C], the mean of squared distances. */
  readonly variance: Tensor;
  /** [C], the same divided by the count less one. */
  readonly unbiased: Tensor;
}

/**
 * Of channels [B, C, H, W], in float32 or better. Each process takes its own mean and its own sum of squared distances from it, M2, and
 * those are put together: M2 = sum_k M2_k + n_k (mean_k - mean)^2 (Chan, Golub and LeVeque 1983). The difference of mean
 * squares and squared mean would lose what is small beside the mean.
 */
export function momentsOfAll(x: Tensor, gather: Gather): Moments {
  const exact = x.dtype === "float64" ? x : x.to("float32");
  const places = [0, 2, 3];
  const [b, channels, h, w] = exact.shape as [number, number, number, number];
  const ownMean = exact.meanDim({ dim: places });
  // M2 has its least value at the mean, so no gradient goes through that.
  const distances = exact.sub(ownMean.detach().view([1, channels, 1, 1]));
  const ownM2 = distances.square().sumDim({ dim: places });
  const count = full([1], b * h * w, { dtype: exact.dtype, device: exact.device });
  const all = gather(cat([count, ownMean, ownM2]).unsqueeze(0));

  const counts = all.narrow(1, 0, 1);
  const means = all.narrow(1, 1, channels);
  const total = counts.sum();
  const mean = means
    .mul(counts)
    .sumDim({ dim: [0] })
    .div(total);
  const between = means.sub(mean).square().mul(counts);
  const m2 = all
    .narrow(1, 1 + channels, channels)
    .add(between)
    .sumDim({ dim: [0] });
  return { mean, variance: m2.div(total), unbiased: m2.div(total.sub(1)) };
}
