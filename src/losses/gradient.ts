// The gradient of a contrastive loss with respect to the features, written out: no autograd goes through a gather.
import { full, scope, type Tensor, zeros } from "../tensor/index.ts";
import { diagonalSimilarity, type Features, isWhole, rowSides, type Tile, tiles } from "./features.ts";
import { rowsOf, similarityOf } from "./inner.ts";
import { type Known, mapKnown } from "./known.ts";
import { mapPair, opposite, type Pair, pair, type Side, sides } from "./pair.ts";
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
 * C_ij / tau2_i e2_i for the image of pair j, and the parts of all ranks are to be added up. A rank that has the whole batch forms the
 * gradients of both sides from the similarities of images as rows and texts as columns.
 */
export function gradientSums(
  features: Features,
  { anchors, factor }: { anchors: Known<Anchors>; factor: number },
): GradientSums {
  const { local, all } = features;
  const knowsAll = anchors.of === "all" || isWhole(features);
  const gradients = mapPair(local, (side) => side.zerosLike());
  const partners = knowsAll ? undefined : mapPair(all, (side) => side.zerosLike());
  const task: Task = {
    features,
    own: knowsAll ? mapPair(anchors.values, (side) => localAnchors(side, features)) : anchors.values,
    others: knowsAll ? anchors.values : undefined,
    diagonals: { local: diagonalSimilarity(local), all: diagonalSimilarity(all) },
    gradients,
    partners: isWhole(features) ? gradients : partners,
    pulls: pair(() => zerosOf(local.image.size(0), local.image)),
    sums: zerosOf(4, local.image),
  };
  for (const side of rowSides(features)) for (const tile of tiles(features)) scope(() => addTile(task, side, tile));
  const asPartners = partners ? mapPair(partners, (side) => ownRows(side, features)) : gradients;
  for (const side of sides) {
    // As much as an anchor is pushed away from others, it and its partner are pulled together.
    const [other, pull] = [opposite(side), task.pulls[side].unsqueeze(1)];
    gradients[side].addcmul_(local[other], pull, { value: -1 });
    asPartners[other].addcmul_(local[side], pull, { value: -1 });
  }
  return scaled({ features: gradients, partners, ...sumsOf(task, features) }, factor);
}

const zerosOf = (size: number, { dtype, device }: Tensor): Tensor => zeros([size], { dtype, device });

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
    features: mapPair(features, (values) => values.mul_(factor)),
    partners: partners && mapPair(partners, (values) => values.mul_(factor)),
    own: times(sums.own),
    others: times(sums.others),
    ownByLogScale: times(sums.ownByLogScale),
    othersByLogScale: times(sums.othersByLogScale),
  };
}

function localAnchors({ inverseTau, logWeight }: Anchors, features: Features): Anchors {
  return { inverseTau: ownRows(inverseTau, features), logWeight: ownRows(logWeight, features) };
}

/** This rank's rows of what has one for each pair, or one for all. */
const ownRows = (values: Tensor, { local, offset }: Features): Tensor =>
  rowsOf(values, { start: offset, rows: local.image.size(0) });

interface Task {
  readonly features: Features;
  /** This rank's anchors. */
  readonly own: Pair<Anchors>;
  /** Everybody's, where they are known. */
  readonly others: Pair<Anchors> | undefined;
  readonly diagonals: { readonly local: Tensor; readonly all: Tensor };
  readonly gradients: Pair<Tensor>;
  /** What takes the gradients of a band's columns, if anything does. */
  readonly partners: Pair<Tensor> | undefined;
  /** The sum of each anchor's terms over tau, [b]. */
  readonly pulls: Pair<Tensor>;
  /** As those of `BandTerms`, [4]. */
  readonly sums: Tensor;
}

/** Of a band of local rows: their terms as anchors, and those of the columns' anchors, whose negatives they are. */
function addTile(
  { features, own, others, diagonals, gradients, partners, pulls, sums }: Task,
  side: Side,
  tile: Tile,
): void {
  const other = opposite(side);
  const rows = (tensor: Tensor): Tensor => tensor.narrow(0, tile.start, tile.rows);
  const band = { similarity: similarityOf(features, { side, tile }), offset: features.offset + tile.start };
  const terms = weighBand(band, {
    own: {
      diagonal: rows(diagonals.local),
      inverseTau: rowsOf(own[side].inverseTau, tile),
      logWeight: rowsOf(own[side].logWeight, tile),
    },
    others: others && { diagonal: diagonals.all, ...others[other] },
    pullsColumns: isWhole(features),
  });
  rows(gradients[side]).addmm_(terms.push, features.all[other]);
  partners?.[other].addmm_(terms.push.t(), rows(features.local[side]));
  rows(pulls[side]).add_(terms.pull);
  if (terms.columnPull !== undefined) pulls[other].add_(terms.columnPull);
  sums.add_(terms.sums);
}

/** What the anchors of both sides sum up to. */
function sumsOf(
  { sums, partners }: Pick<Task, "sums" | "partners">,
  features: Features,
): Pick<GradientSums, "own" | "others" | "ownByLogScale" | "othersByLogScale"> {
  const [ofRows, byRows, ofColumns, byColumns] = sums.unbind() as [Tensor, Tensor, Tensor, Tensor];
  if (isWhole(features)) {
    const [own, ownByLogScale] = [ofRows.add(ofColumns), byRows.add(byColumns)];
    return { own, others: own, ownByLogScale, othersByLogScale: ownByLogScale };
  }
  if (partners !== undefined) return { own: ofRows, others: ofRows, ownByLogScale: byRows, othersByLogScale: byRows };
  return { own: ofRows, others: ofColumns, ownByLogScale: byRows, othersByLogScale: byColumns };
}
