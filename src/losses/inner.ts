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

function logInnerOfTile(
  features: Features,
  { side, tile, diagonal, inverseTau }: { side: Side; tile: Tile; diagonal: Tensor; inverseTau: Pair<Tensor> },
): Tensor {
  const anchors = features.local[side].narrow(0, tile.start, tile.rows);
  const others = features.all[opposite(side)];
  const scaled = anchors
    .matmul(others.t())
    .sub_(rowsOf(diagonal, tile).unsqueeze(1))
    .mul_(rowsOf(inverseTau[side], tile).unsqueeze(1));
  scaled.diagonal({ offset: features.offset + tile.start }).fill_(Number.NEGATIVE_INFINITY);
  return scaled.logsumexp([1]).sub_(Math.log(others.size(0) - 1));
}

/** The tile's rows of a vector; a vector of one element stands for all rows. */
export function rowsOf(vector: Tensor, tile: Tile): Tensor {
  return vector.numel === 1 ? vector : vector.narrow(0, tile.start, tile.rows);
}
