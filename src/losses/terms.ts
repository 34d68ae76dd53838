// What a band of similarities gives: a kernel's one pass, or the same operator by operator.
import {
  type Band,
  type BandAnchors,
  fusedContrastStatistics,
  fusedContrastTerms_,
  fusesContrast,
  stack,
  type Tensor,
  zeros,
} from "../tensor/index.ts";

/** log sum_j exp((s_ij - s_ii) / tau_i) over j != i, [rows]. */
export function logSumOfBand(band: Band): Tensor {
  return fusesContrast(band.similarity)
    ? fusedContrastStatistics(band).select(0, 0)
    : scaledDifferences(band).scaled.logsumexp([1]);
}

export interface BandStatistics {
  /** As above. */
  readonly logSum: Tensor;
  /** The mean of (s_ij - s_ii) / tau_i over j != i, weighted by the exponentials, [rows]. */
  readonly mean: Tensor;
  /** The largest (s_ij - s_ii) / tau_i over j != i, [rows]. */
  readonly largest: Tensor;
}

export function statisticsOfBand(band: Band): BandStatistics {
  if (fusesContrast(band.similarity)) {
    const [logSum, mean, largest] = fusedContrastStatistics(band).unbind() as [Tensor, Tensor, Tensor];
    return { logSum, mean, largest };
  }
  const { scaled, largest } = scaledDifferences(band);
  const logSum = scaled.logsumexp([1]);
  const weights = scaled.sub(logSum.unsqueeze(1)).exp_();
  return { logSum, mean: weights.mul_(scaled).sumDim({ dim: [1] }), largest: largest.squeeze(1) };
}

/** A band's terms exp((s_ij - s_ii) / tau_i - log w_i), of rows as anchors and, where they are known, of columns as anchors (s_ij - s_jj, tau_j, w_j). */
export interface BandTerms {
  /** All terms over tau, 0 on the diagonal, [rows, columns]; in place of the similarities. */
  readonly push: Tensor;
  /** The sum of a row's own terms over tau, [rows, 1]. */
  readonly pull: Tensor;
  /** Sums of all: own terms, their derivative by ln(1/tau) with w held fixed, the same two of the columns' terms; [4]. */
  readonly sums: Tensor;
}

/** Uses the similarities up. */
export function weighBand(own: Band & BandAnchors, others?: BandAnchors): BandTerms {
  const { similarity, offset } = own;
  if (fusesContrast(similarity)) {
    const sums = fusedContrastTerms_(own, others);
    return { push: similarity, pull: sums.select(0, 4).unsqueeze(1), sums: sums.narrow(0, 0, 4).sumDim({ dim: [1] }) };
  }
  const ofRows = weighted(similarity, offset, columnsOf(own));
  const ofColumns = others && weighted(similarity, offset, others);
  const pull = ofRows.terms.sumDim({ dim: [1], keepdim: true });
  const push = ofColumns ? ofRows.terms.add_(ofColumns.terms) : ofRows.terms;
  const nothing = (): Tensor => zeros([], { dtype: push.dtype });
  const { sum = nothing(), byLogScale = nothing() } = ofColumns ?? {};
  return { push, pull, sums: stack([ofRows.sum, ofRows.byLogScale, sum, byLogScale]) };
}

// Exponentials count down to 2^-100 of what they are compared with: for numbers near 1e-38 and below a CPU takes many times as long.
const leastExponent = Math.log(2 ** -100);

/** (s_ij - s_ii) / tau_i but not below what counts, as which the diagonal is taken, and the largest of each row, [rows, 1]. */
function scaledDifferences({ similarity, offset, diagonal, inverseTau }: Band): { scaled: Tensor; largest: Tensor } {
  const scaled = similarity.sub(diagonal.unsqueeze(1)).mul_(inverseTau.unsqueeze(1));
  scaled.diagonal({ offset }).fill_(Number.NEGATIVE_INFINITY);
  const largest = scaled.amax({ dim: [1], keepdim: true });
  return { scaled: scaled.maximum(largest.add(leastExponent)), largest };
}

function columnsOf({ diagonal, inverseTau, logWeight }: BandAnchors): BandAnchors {
  return {
    diagonal: diagonal.unsqueeze(1),
    inverseTau: inverseTau.unsqueeze(1),
    logWeight: logWeight.unsqueeze(1),
  };
}

/** Terms over tau off the diagonal, their sum before that, and the sum's derivative by ln(1/tau). */
function weighted(
  similarity: Tensor,
  offset: number,
  { diagonal, inverseTau, logWeight }: BandAnchors,
): { terms: Tensor; sum: Tensor; byLogScale: Tensor } {
  const scaled = similarity.sub(diagonal).mul_(inverseTau);
  const terms = scaled.sub(logWeight).clamp_({ min: leastExponent }).exp_();
  terms.diagonal({ offset }).zero_();
  const sum = terms.sum();
  const byLogScale = scaled.mul_(terms).sum();
  return { terms: terms.mul_(inverseTau), sum, byLogScale };
}
