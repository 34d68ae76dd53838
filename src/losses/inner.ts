// The inner function g of the compositional objective.
import { type Band, cat, scope, type Tensor } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, type Tile, tiles } from "./features.ts";
import { opposite, type Pair, pair, type Side } from "./pair.ts";
import { logSumOfBand, statisticsOfBand } from "./terms.ts";

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
  return logSumOfBand(bandOf(features, task)).sub(logNegatives(features));
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
  const { logSum, mean, largest } = statisticsOfBand(bandOf(features, task));
  return {
    logG: logSum.sub(logNegatives(features)),
    meanDifference: mean,
    largestDifference: largest.clamp({ min: 0 }),
  };
}

const logNegatives = ({ all }: Features): number => Math.log(all.image.size(0) - 1);

interface TileTask {
  readonly side: Side;
  readonly tile: Tile;
  readonly diagonal: Tensor;
  readonly inverseTau: Pair<Tensor>;
}

function bandOf(features: Features, { side, tile, diagonal, inverseTau }: TileTask): Band {
  return {
    similarity: similarityOf(features, { side, tile }),
    offset: features.offset + tile.start,
    diagonal: rowsOf(diagonal, tile),
    inverseTau: rowsOf(inverseTau[side], tile),
  };
}

/** Of the tile's rows of one side and everybody's other side, [rows, B]. */
export function similarityOf({ local, all }: Features, { side, tile }: { side: Side; tile: Tile }): Tensor {
  return local[side].narrow(0, tile.start, tile.rows).matmul(all[opposite(side)].t());
}

/** The tile's rows of a vector; a vector of one element stands for all rows. */
export function rowsOf(vector: Tensor, tile: Tile): Tensor {
  return vector.numel === 1 ? vector : vector.narrow(0, tile.start, tile.rows);
}
