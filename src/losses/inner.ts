// The inner function g of the compositional objective.
import { cat, scope, type Tensor } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, isWhole, type Tile, tiles } from "./features.ts";
import { mapPair, opposite, type Pair, pair, type Side } from "./pair.ts";
import { addStatistics_, logSumOf, noStatistics, type Statistics, statisticsOfBand } from "./terms.ts";

/**
 * log g of this rank's pairs, per side [b] (FastCLIP, arXiv 2407.01445, equation 1):
 *
 *     g1_i = 1/(B-1) * sum_{j != i} exp((s_ij - s_ii) / tau),     g2_i the same over s_ji.
 *
 * It is a log-sum-exp, so it neither overflows nor vanishes at small tau. `inverseTau` is 1/tau: [1], or [b] with a
 * temperature of its own for each pair.
 */
export function logInnerFunction(features: Features, inverseTau: Pair<Tensor>): Pair<Tensor> {
  return mapPair(statisticsOf(features, inverseTau), (side) => logSumOf(side).sub(logNegatives(features)));
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
  return mapPair(statisticsOf(features, inverseTau), (side) => ({
    logG: logSumOf(side).sub(logNegatives(features)),
    meanDifference: side.products.div(side.terms),
    largestDifference: side.largest.clamp({ min: 0 }),
  }));
}

const logNegatives = ({ all }: Features): number => Math.log(all.image.size(0) - 1);

interface Scales {
  readonly diagonal: Tensor;
  readonly inverseTau: Pair<Tensor>;
}

function statisticsOf(features: Features, inverseTau: Pair<Tensor>): Pair<Statistics> {
  const scales = { diagonal: diagonalSimilarity(features.local), inverseTau };
  if (isWhole(features)) return statisticsOfBoth(features, scales);
  return pair((side) => joined(tiles(features).map((tile) => statisticsOfRows(features, { side, tile, ...scales }))));
}

/** Pictures are the rows of the similarities, texts their columns. */
function statisticsOfBoth(features: Features, { diagonal, inverseTau }: Scales): Pair<Statistics> {
  const text = noStatistics({ size: diagonal.numel, like: diagonal });
  const image = tiles(features).map((tile) =>
    scope(() => {
      const own = { diagonal: rowsOf(diagonal, tile), inverseTau: rowsOf(inverseTau.image, tile) };
      const band = { similarity: similarityOf(features, { side: "image", tile }), offset: tile.start };
      const { rows, columns } = statisticsOfBand(band, { own, others: { diagonal, inverseTau: inverseTau.text } });
      addStatistics_(text, columns!);
      return rows;
    }),
  );
  return { image: joined(image), text };
}

function statisticsOfRows(
  features: Features,
  { side, tile, diagonal, inverseTau }: Scales & { side: Side; tile: Tile },
): Statistics {
  return scope(() => {
    const own = { diagonal: rowsOf(diagonal, tile), inverseTau: rowsOf(inverseTau[side], tile) };
    const band = { similarity: similarityOf(features, { side, tile }), offset: features.offset + tile.start };
    return statisticsOfBand(band, { own }).rows;
  });
}

/** Of the anchors of one band after the other. */
function joined(bands: readonly Statistics[]): Statistics {
  if (bands.length === 1) return bands[0]!;
  const all = (name: keyof Statistics): Tensor => cat(bands.map((band) => band[name]));
  return { largest: all("largest"), terms: all("terms"), products: all("products") };
}

/** Of the tile's rows of one side and everybody's other side, [rows, B]. */
export function similarityOf({ local, all }: Features, { side, tile }: { side: Side; tile: Tile }): Tensor {
  return local[side].narrow(0, tile.start, tile.rows).matmul(all[opposite(side)].t());
}

/** The tile's rows of a vector; a vector of one element stands for all rows. */
export function rowsOf(vector: Tensor, tile: Tile): Tensor {
  return vector.numel === 1 ? vector : vector.narrow(0, tile.start, tile.rows);
}
