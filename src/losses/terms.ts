// What a band of similarities gives: a kernel's one pass, or the same operator by operator.
import {
  type Band,
  type BandAnchors,
  type ContrastTermsTask,
  full,
  fusedContrastStatistics,
  fusedContrastTerms_,
  fusesContrast,
  stack,
  type Tensor,
  type WeightedAnchors,
  zeros,
} from "../tensor/index.ts";

// Exponentials count down to 2^-100 of what they are compared with: for numbers near 1e-38 and below a CPU takes many times as long.
const leastExponent = Math.log(2 ** -100);

const noLargest = -1e30; // below all that there can be, and not infinite, so that differences of it are numbers

/** Of x_ij = (s_ij - s_ii) / tau_i over partners j != i, for each of some anchors i. */
export interface Statistics {
  readonly largest: Tensor;
  /** sum_j exp(x_ij - largest) */
  readonly terms: Tensor;
  /** sum_j x_ij exp(x_ij - largest) */
  readonly products: Tensor;
}

/** log sum_j exp(x_ij) */
export const logSumOf = ({ largest, terms }: Statistics): Tensor => terms.log().add_(largest);

/** Those of a band's rows, and of its columns as anchors where these are given. */
export function statisticsOfBand(
  band: Band,
  { own, others }: { own: BandAnchors; others?: BandAnchors | undefined },
): { rows: Statistics; columns: Statistics | undefined } {
  if (fusesContrast(band.similarity)) {
    const { rows, columns } = fusedContrastStatistics(band, { own, others });
    return { rows: unstacked(rows), columns: columns && unstacked(columns) };
  }
  return { rows: statistics(band, asColumns(own), 1), columns: others && statistics(band, others, 0) };
}

/** Those over no partners. */
export function noStatistics({ size, like }: { size: number; like: Tensor }): Statistics {
  const all = (value: number): Tensor => full([size], value, { dtype: like.dtype, device: like.device });
  return { largest: all(noLargest), terms: all(0), products: all(0) };
}

/** To statistics over some partners those of the same anchors over others are added. */
export function addStatistics_(into: Statistics, { largest, terms, products }: Statistics): void {
  const most = into.largest.maximum(largest);
  const shareOf = (before: Tensor): Tensor => before.sub(most).clamp_({ min: leastExponent }).exp_();
  const [kept, taken] = [shareOf(into.largest), shareOf(largest)];
  into.terms.mul_(kept).add_(terms.mul(taken));
  into.products.mul_(kept).add_(products.mul(taken));
  into.largest.copy_(most);
}

/** A band's terms exp((s_ij - s_ii) / tau_i - log w_i), of rows as anchors and, where they are known, of columns as anchors (s_ij - s_jj, tau_j, w_j). */
export interface BandTerms {
  /** All terms over tau, 0 on the diagonal, [rows, columns]; in place of the similarities. */
  readonly push: Tensor;
  /** The sum of a row's own terms over tau, [rows]. */
  readonly pull: Tensor;
  /** The same of the columns' own terms over the rows, [columns], where it is asked for. */
  readonly columnPull: Tensor | undefined;
  /** Sums of all: own terms, their derivative by ln(1/tau) with w held fixed, the same two of the columns' terms; [4]. */
  readonly sums: Tensor;
}

/** Uses the similarities up. */
export function weighBand(band: Band, task: ContrastTermsTask): BandTerms {
  const { own, others, pullsColumns = false } = task;
  const { similarity } = band;
  if (fusesContrast(similarity)) {
    const { sums, columnPull } = fusedContrastTerms_(band, task);
    return { push: similarity, pull: sums.select(0, 4), columnPull, sums: sums.narrow(0, 0, 4).sumDim({ dim: [1] }) };
  }
  const ofRows = weighted(band, { ...asColumns(own), logWeight: own.logWeight.unsqueeze(1) });
  const ofColumns = others && weighted(band, others);
  const pull = ofRows.terms.sumDim({ dim: [1] });
  const columnPull = pullsColumns ? ofColumns?.terms.sumDim({ dim: [0] }) : undefined;
  const push = ofColumns ? ofRows.terms.add_(ofColumns.terms) : ofRows.terms;
  const nothing = (): Tensor => zeros([], { dtype: push.dtype });
  const { sum = nothing(), byLogScale = nothing() } = ofColumns ?? {};
  return { push, pull, columnPull, sums: stack([ofRows.sum, ofRows.byLogScale, sum, byLogScale]) };
}

function unstacked(statistics: Tensor): Statistics {
  const [largest, terms, products] = statistics.unbind() as [Tensor, Tensor, Tensor];
  return { largest, terms, products };
}

/** Along a dimension, with the anchors' vectors in the shape of the similarities. */
function statistics({ similarity, offset }: Band, { diagonal, inverseTau }: BandAnchors, dim: 0 | 1): Statistics {
  const x = similarity.sub(diagonal).mul_(inverseTau);
  x.diagonal({ offset }).fill_(noLargest);
  const largest = x.amax({ dim: [dim], keepdim: true });
  const terms = x.sub(largest).clamp_({ min: leastExponent }).exp_();
  terms.diagonal({ offset }).zero_();
  const products = x.mul_(terms).sumDim({ dim: [dim] });
  return { largest: largest.squeeze(dim), terms: terms.sumDim({ dim: [dim] }), products };
}

const asColumns = ({ diagonal, inverseTau }: BandAnchors): BandAnchors => ({
  diagonal: diagonal.unsqueeze(1),
  inverseTau: inverseTau.unsqueeze(1),
});

/** Terms over tau off the diagonal, their sum before that, and the sum's derivative by ln(1/tau). */
function weighted(
  { similarity, offset }: Band,
  { diagonal, inverseTau, logWeight }: WeightedAnchors,
): { terms: Tensor; sum: Tensor; byLogScale: Tensor } {
  const scaled = similarity.sub(diagonal).mul_(inverseTau);
  const terms = scaled.sub(logWeight).clamp_({ min: leastExponent }).exp_();
  terms.diagonal({ offset }).zero_();
  const sum = terms.sum();
  const byLogScale = scaled.mul_(terms).sum();
  return { terms: terms.mul_(inverseTau), sum, byLogScale };
}
