// The inner function g of the compositional objective.
import { cat, scope, type Tensor } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, type Tile, tiles } from "./features.ts";
import { opposite, type Pair, pair, type Side } from "./pair.ts";

/**
 * log g of this rank's pairs, per side [b] (FastCLIP, arXiv 2407.01445, equation 1):
 *
 *     g1_i = 1/(B-1) * sum_{j != i} exp((s_ij - s_ii) / tau),     g2_i the same over s_ji.
 *
 * It is a log-sum-exp, so it neither overflows nor vanishes at small tau. `inverseTau` is 1/tau: [1], or [b] with a
 * temperature of its own for each pair.
 */
export function logInnerFunction(features: Features, inverseTau: Pair<Tensor>): Pair<Tensor> {
  const diagonal = diagonalSimilarity(features.local);
  return pair((side) => {
    const parts = tiles(features).map((tile) =>
      scope(() => logInnerOfTile(features, { side, tile, diagonal, inverseTau })),
    );
    return parts.length === 1 ? parts[0]! : cat(parts);
  });
}

function logInnerOfTile(features: Features, task: TileTask): Tensor {
  const negatives = features.all.image.size(0) - 1;
  return scaledDifferences(features, task).logsumexp([1]).sub_(Math.log(negatives));
}

/** What a temperature of its own needs to know of each anchor beside log g; all [b]. */
export interface InnerStatistics {
  readonly logG: Tensor;
  /** The mean of (s_ij - s_ii)/tau_i over j != i, weighted by the terms of g. */
  readonly meanDifference: Tensor;
  /** The largest (s_ij - s_ii)/tau_i, at least 0. */
  readonly largestDifference: Tensor;
}

/** log g and what v2's temperatures are trained by, in one pass over the similarities. */
export function innerStatistics(features: Features, inverseTau: Pair<Tensor>): Pair<InnerStatistics> {
  const diagonal = diagonalSimilarity(features.local);
  return pair((side) => {
    const parts = tiles(features).map((tile) =>
      scope(() => statisticsOfTile(features, { side, tile, diagonal, inverseTau })),
    );
    const joined = (name: keyof InnerStatistics): Tensor => cat(parts.map((part) => part[name]));
    return {
      logG: joined("logG"),
      meanDifference: joined("meanDifference"),
      largestDifference: joined("largestDifference"),
    };
  });
}

function statisticsOfTile(features: Features, task: TileTask): InnerStatistics {
  const scaled = scaledDifferences(features, task);
  const logSum = scaled.logsumexp([1]);
  const weights = scaled.sub(logSum.unsqueeze(1)).exp_();
  const largestDifference = scaled.amax({ dim: [1] }).clamp_({ min: 0 });
  // The diagonal's -infinity has weight 0, and 0 times it would be NaN.
  scaled.diagonal({ offset: features.offset + task.tile.start }).zero_();
  const negatives = features.all.image.size(0) - 1;
  return {
    logG: logSum.sub(Math.log(negatives)),
    meanDifference: weights.mul_(scaled).sumDim({ dim: [1] }),
    largestDifference,
  };
}

interface TileTask {
  readonly side: Side;
  readonly tile: Tile;
  readonly diagonal: Tensor;
  readonly inverseTau: Pair<Tensor>;
}

/** (s_ij - s_ii) / tau_i, -infinity on the diagonal, [rows, B]. */
function scaledDifferences(features: Features, { side, tile, diagonal, inverseTau }: TileTask): Tensor {
  const anchors = features.local[side].narrow(0, tile.start, tile.rows);
  const scaled = anchors
    .matmul(features.all[opposite(side)].t())
    .sub_(rowsOf(diagonal, tile).unsqueeze(1))
    .mul_(rowsOf(inverseTau[side], tile).unsqueeze(1));
  scaled.diagonal({ offset: features.offset + tile.start }).fill_(Number.NEGATIVE_INFINITY);
  return scaled;
}

/** The tile's rows of a vector; a vector of one element stands for all rows. */
export function rowsOf(vector: Tensor, tile: Tile): Tensor {
  return vector.numel === 1 ? vector : vector.narrow(0, tile.start, tile.rows);
}
