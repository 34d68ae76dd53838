// The gradient of a contrastive loss with respect to the features, written out: no autograd goes through a gather.
import { full, scope, type Tensor, zeros } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, type Tile, tiles } from "./features.ts";
import { rowsOf } from "./inner.ts";
import { mapPair, opposite, type Pair, type Side, sides } from "./pair.ts";

/** What the anchors of one side bring: everything that the gradient of another rank's features needs to know of them. */
export interface Anchors {
  /** 1 / tau, [n] or [1]. */
  readonly inverseTau: Tensor;
  /** log w: the anchor's terms are divided by w, [n]. */
  readonly logWeight: Tensor;
}

export interface GradientSums {
  /** d/d e1_i and d/d e2_i of sum_i (sum_{j != i} exp((s_ij - s_ii)/tau_i) / w1_i + the same over s_ji), [b, d] each. */
  readonly features: Pair<Tensor>;
  /** Sum of the weighted terms whose anchor is local, both sides, []. */
  readonly own: Tensor;
  /** Sum of the weighted terms whose anchor is any pair and whose other half is local, []. */
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
 * only its two scalars are needed.
 */
export function gradientSums(features: Features, anchors: { local: Pair<Anchors>; all: Pair<Anchors> }): GradientSums {
  const [rows, width] = features.local.image.shape as [number, number];
  const gradients = { image: zeros([rows, width]), text: zeros([rows, width]) };
  const sums = { own: zeros([]), others: zeros([]), ownByLogScale: zeros([]), othersByLogScale: zeros([]) };
  const diagonals = { local: diagonalSimilarity(features.local), all: diagonalSimilarity(features.all) };
  for (const side of sides)
    for (const tile of tiles(features))
      scope(() => addTile({ features, anchors, diagonals, gradients, sums, side, tile }));
  return { features: gradients, ...sums };
}

/** The sums of a loss with one temperature for all pairs; `logWeight` is of the global batch, [B]. */
export function sharedTemperatureSums(
  features: Features,
  { tau, logWeight }: { tau: number; logWeight: Pair<Tensor> },
): GradientSums {
  const inverseTau = full([1], 1 / tau);
  const rows = features.local.image.size(0);
  const all = mapPair(logWeight, (weight): Anchors => ({ inverseTau, logWeight: weight }));
  const local = mapPair(
    all,
    (side): Anchors => ({ ...side, logWeight: side.logWeight.narrow(0, features.offset, rows) }),
  );
  return gradientSums(features, { local, all });
}

/** All sums times a number. */
export function scaled(sums: GradientSums, factor: number): GradientSums {
  return {
    features: mapPair(sums.features, (gradient) => gradient.mul(factor)),
    own: sums.own.mul(factor),
    others: sums.others.mul(factor),
    ownByLogScale: sums.ownByLogScale.mul(factor),
    othersByLogScale: sums.othersByLogScale.mul(factor),
  };
}

interface TileTask {
  readonly features: Features;
  readonly anchors: { readonly local: Pair<Anchors>; readonly all: Pair<Anchors> };
  readonly diagonals: { readonly local: Tensor; readonly all: Tensor };
  readonly gradients: Pair<Tensor>;
  readonly sums: Omit<GradientSums, "features">;
  readonly side: Side;
  readonly tile: Tile;
}

function addTile({ features, anchors, diagonals, gradients, sums, side, tile }: TileTask): void {
  const other = opposite(side);
  const partners = features.all[other];
  const similarity = features.local[side].narrow(0, tile.start, tile.rows).matmul(partners.t());
  const offDiagonal = features.offset + tile.start;

  // A_ij / tau_i: the local row is the anchor.
  const local = {
    inverseTau: rowsOf(anchors.local[side].inverseTau, tile),
    logWeight: rowsOf(anchors.local[side].logWeight, tile),
  };
  const own = weightedTerms(similarity, rowsOf(diagonals.local, tile).unsqueeze(1), column(local), offDiagonal);
  sums.own.add_(own.sum);
  sums.ownByLogScale.add_(own.byLogScale);

  // C_ji / tau_j: the column is the anchor, the local row its negative.
  const theirs = weightedTerms(similarity, diagonals.all.unsqueeze(0), row(anchors.all[other]), offDiagonal);
  sums.others.add_(theirs.sum);
  sums.othersByLogScale.add_(theirs.byLogScale);

  // sum_j A_ij / tau_i pulls the pair together: it belongs to both halves of pair i.
  const pull = own.terms.sumDim({ dim: [1], keepdim: true });
  const rows = (tensor: Tensor): Tensor => tensor.narrow(0, tile.start, tile.rows);
  rows(gradients[side]).addmm_(own.terms.add_(theirs.terms), partners).sub_(rows(features.local[other]).mul(pull));
  rows(gradients[other]).sub_(rows(features.local[side]).mul(pull));
}

const column = ({ inverseTau, logWeight }: Anchors): Anchors => ({
  inverseTau: inverseTau.unsqueeze(1),
  logWeight: logWeight.unsqueeze(1),
});

const row = ({ inverseTau, logWeight }: Anchors): Anchors => ({
  inverseTau: inverseTau.unsqueeze(0),
  logWeight: logWeight.unsqueeze(0),
});

/** exp((s - s_anchor)/tau - log w) off the diagonal: its sum, the sum's derivative by ln(1/tau), and the terms over tau. */
function weightedTerms(
  similarity: Tensor,
  anchorSimilarity: Tensor,
  { inverseTau, logWeight }: Anchors,
  diagonal: number,
): { terms: Tensor; sum: Tensor; byLogScale: Tensor } {
  const scaled = similarity.sub(anchorSimilarity).mul_(inverseTau);
  const terms = scaled.sub(logWeight).exp_();
  terms.diagonal({ offset: diagonal }).zero_();
  const sum = terms.sum();
  const byLogScale = scaled.mul_(terms).sum();
  return { terms: terms.mul_(inverseTau), sum, byLogScale };
}
