// The moving-average estimators u of the inner functions, one number per pair of the data set and side.
import { type Tensor, where } from "../tensor/index.ts";
import { mapPair, type Pair, pair } from "./pair.ts";
import type { PairState } from "./pair-state.ts";

// log u of a pair that was seen is never 0 exactly: this stands in for it, so that 0 (a fresh page of memory) means "never seen".
const almostZero = 1e-30;

/**
 * u_i <- (1 - gamma) u_i + gamma g_i, kept as log u in float32 for all pairs of the data set. A pair that is seen for the
 * first time takes u_i = g_i, whatever gamma is.
 */
export class InnerEstimator {
  static readonly columns: readonly string[] = ["log_u.image", "log_u.text"];
  /** log u, [data size] per side; 0 for a pair never seen. */
  readonly logU: Pair<Tensor>;

  constructor(state: PairState) {
    this.logU = pair((side) => state.column(`log_u.${side}`));
  }

  /** The new log u of the pairs `ids` (int64, [b]), given log g [b]; nothing is stored. */
  updated(ids: Tensor, logG: Pair<Tensor>, gamma: number): Pair<Tensor> {
    return mapPair(logG, (value, side) => movingAverage(this.logU[side].indexSelect(0, ids), value, gamma));
  }

  /** Stores log u of pairs. */
  store(ids: Tensor, logU: Pair<Tensor>): void {
    mapPair(logU, (value, side) => this.logU[side].indexCopy_(0, ids, value.maskedFill(value.eq(0), almostZero)));
  }
}

/** log((1 - gamma) u + gamma g) where u was seen, log g elsewhere. */
function movingAverage(logU: Tensor, logG: Tensor, gamma: number): Tensor {
  if (gamma === 1) return logG;
  const mixed = logU.add(Math.log1p(-gamma)).logaddexp(logG.add(Math.log(gamma)));
  return where(logU.eq(0), logG, mixed);
}
