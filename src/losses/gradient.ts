// The gradient of a contrastive loss with respect to the features, written out: no autograd goes through a gather.
import { type Band, type BandAnchors, full, scope, type Tensor, zeros } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, type Tile, tiles } from "./features.ts";
import { rowsOf, similarityOf } from "./inner.ts";
import { type Known, mapKnown } from "./known.ts";
import { mapPair, opposite, type Pair, type Side, sides } from "./pair.ts";
import { weighBand } from "./terms.ts";

/** What the anchors of one side bring: everything that the gradient of another rank's features needs to know of them. */
export interface Anchors {
  /** 1 / tau, [n] or [1]. */
  readonly inverseTau: Tensor;
  /** log w: the anchor's terms are divided by w, [n]. */
  readonly logWeight: Tensor;
}

/** All of sum_i (sum_{j != i} exp((s_ij - s_ii)/tau_i) / w1_i + the same over s_ji), times a factor. */
export interface GradientSums {
  /** Its gradient with respect to this rank's features, [b, d]: whole, or where only own anchors are known, as anchors. */
  readonly features: Pair<Tensor>;
  /** Where only own anchors are known: the gradient of their terms with respect to everybody's features as partners, [B, d]. */
  readonly partners: Pair<Tensor> | undefined;
  /** Sum of the weighted terms whose anchor is local, both sides, []. */
  readonly own: Tensor;
  /** Sum of the weighted terms whose anchor is any pair and whose other half is local, []; in the mean over ranks it equals `own`. */
  readonly others: Tensor;
  /** d own / d ln(1/tau) and d others / d ln(1/tau), w held fixed, []. */
  readonly ownByLogScale: Tensor;
  readonly othersByLogScale: Tensor;
}

/**
 * One pass over the similarities. With A_ij = exp((s_ij - s_ii)/tau1_i - log w1_i) for image anchors and C_ij =
 * exp((s_ji - s_ii)/tau2_i - log w2_i) for text anchors (zero for j = i), the gradient of a local image's features is
 *
 *     sum_j (A_ij / tau1_i + C_ji / tau2_j) e2_j  -  sum_j (A_ij / tau1_i + C_ij / tau2_i) e2_i,
 *
 * and that of a text's the same with the sides exchanged. C_ji belongs to anchor j, which may live on another rank: of it
 * only its two scalars are needed. Where they are not known, anchor i's terms give their part to every partner j instead,
 *
 *     C_ij / tau2_i e2_i for the image of pair j, and  - sum_j C_ij / tau2_i e2_i for its own,
 *
 * and the parts of all ranks are to be added up.
 */
export function gradientSums(
  features: Features,
  { anchors, factor }: { anchors: Known<Anchors>; factor: number },
): GradientSums {
  const { local, all } = features;
  const known = anchors.of === "own" ? anchors.values : mapPair(anchors.values, (side) => localAnchors(side, features));
  const partners = anchors.of === "own" ? mapPair(all, (side) => side.zerosLike()) : undefined;
  const gradients = mapPair(local, (side) => side.zerosLike());
  const sums = zeros([4]);
  const diagonals = { local: diagonalSimilarity(local), all: diagonalSimilarity(all) };
  for (const side of sides)
    for (const tile of tiles(features)) {
      const task: TileTask = { features, own: known, diagonals, gradients, sums, side, tile };
      scope(() => (partners ? addOwnTile(task, partners) : addTile(task, anchors.values)));
    }
  const [own, ownByLogScale, others, othersByLogScale] = sums.unbind() as [Tensor, Tensor, Tensor, Tensor];
  const ofOthers = partners ? { others: own, othersByLogScale: ownByLogScale } : { others, othersByLogScale };
  return scaled({ features: gradients, partners, own, ownByLogScale, ...ofOthers }, factor);
}

/** The sums of a loss with one temperature for all pairs. */
export function sharedTemperatureSums(
  features: Features,
  { tau, logWeight, factor }: { tau: number; logWeight: Known<Tensor>; factor: number },
): GradientSums {
  const inverseTau = full([1], 1 / tau, { dtype: features.local.image.dtype });
  const anchors = mapKnown(logWeight, (weight): Anchors => ({ inverseTau, logWeight: weight }));
  return gradientSums(features, { anchors, factor });
}

/** The gradients of the features alone, as a loss returns them. */
export function gradientsOfFeatures({ features, partners }: Pick<GradientSums, "features" | "partners">): {
  features: Pair<Tensor>;
  partners?: Pair<Tensor>;
} {
  return partners === undefined ? { features } : { features, partners };
}

function scaled({ features, partners, ...sums }: GradientSums, factor: number): GradientSums {
  const times = (values: Tensor): Tensor => values.mul(factor);
  return {
    features: mapPair(features, times),
    partners: partners && mapPair(partners, times),
    own: times(sums.own),
    others: times(sums.others),
    ownByLogScale: times(sums.ownByLogScale),
    othersByLogScale: times(sums.othersByLogScale),
  };
}

function localAnchors({ inverseTau, logWeight }: Anchors, { local, offset }: Features): Anchors {
  const tile = { start: offset, rows: local.image.size(0) };
  return { inverseTau: rowsOf(inverseTau, tile), logWeight: rowsOf(logWeight, tile) };
}

interface TileTask {
  readonly features: Features;
  /** This rank's anchors. */
  readonly own: Pair<Anchors>;
  readonly diagonals: { readonly local: Tensor; readonly all: Tensor };
  readonly gradients: Pair<Tensor>;
  /** As those of `BandTerms`, [4]. */
  readonly sums: Tensor;
  readonly side: Side;
  readonly tile: Tile;
}

/** Of a band of local rows: their terms as anchors, and those of all anchors whose negatives they are. */
function addTile(task: TileTask, all: Pair<Anchors>): void {
  const { features, diagonals, gradients, side, tile } = task;
  const other = opposite(side);
  // C_ji / tau_j: the column is the anchor, the local row its negative.
  const others = { diagonal: diagonals.all, ...all[other] };
  const { push, pull, sums } = weighBand(bandOf(task), others);
  task.sums.add_(sums);

  // sum_j A_ij / tau_i pulls the pair together: it belongs to both halves of pair i.
  const rows = (tensor: Tensor): Tensor => tensor.narrow(0, tile.start, tile.rows);
  rows(gradients[side]).addmm_(push, features.all[other]).sub_(rows(features.local[other]).mul(pull));
  rows(gradients[other]).sub_(rows(features.local[side]).mul(pull));
}

/** Of a band of local rows: their terms as anchors, for themselves and for every partner. */
function addOwnTile(task: TileTask, partners: Pair<Tensor>): void {
  const { features, gradients, side, tile } = task;
  const other = opposite(side);
  const { push, pull, sums } = weighBand(bandOf(task));
  task.sums.add_(sums);
  const rows = (tensor: Tensor): Tensor => tensor.narrow(0, tile.start, tile.rows);
  rows(gradients[side]).addmm_(push, features.all[other]).sub_(rows(features.local[other]).mul(pull));
  partners[other].addmm_(push.t(), rows(features.local[side]));
  const ownPartners = partners[other].narrow(0, features.offset + tile.start, tile.rows);
  ownPartners.sub_(rows(features.local[side]).mul(pull));
}

/** The local row is the anchor. */
function bandOf({ features, own, diagonals, side, tile }: TileTask): Band & BandAnchors {
  return {
    similarity: similarityOf(features, { side, tile }),
    offset: features.offset + tile.start,
    diagonal: rowsOf(diagonals.local, tile),
    inverseTau: rowsOf(own[side].inverseTau, tile),
    logWeight: rowsOf(own[side].logWeight, tile),
  };
}
