/** How often a batch drawn at random holds samples of one concept, or of one caption, more than once: each is a false negative there. */
export interface FalseNegatives {
  /** Expected share of a batch's samples that have at least one other of their concept beside them. */
  sampleShare: number;
  /** Expected number of pairs of one concept in a batch. */
  pairs: number;
}

/**
 * Expectation over batches of `batchSize` samples drawn without replacement from N = sum of n_c samples:
 *
 *   sampleShare = sum_c n_c/N (1 - C(N - n_c, B - 1) / C(N - 1, B - 1))
 *   pairs       = B (B - 1) / 2 * sum_c n_c (n_c - 1) / (N (N - 1))
 *
 * @param counts n_c, the number of samples of each concept.
 */
export function falseNegatives(counts: readonly number[], batchSize: number): FalseNegatives {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const size = Math.min(batchSize, total);
  if (size < 2) return { sampleShare: 0, pairs: 0 };
  const sampleShare = counts.reduce((sum, count) => sum + (count / total) * (1 - alone({ count, total, size })), 0);
  const samePairs = counts.reduce((sum, count) => sum + count * (count - 1), 0);
  return { sampleShare, pairs: ((size * (size - 1)) / 2) * (samePairs / (total * (total - 1))) };
}

/** Chance that none of the other `size - 1` samples is of the concept: a product over its other pictures. */
function alone({ count, total, size }: { count: number; total: number; size: number }): number {
  let chance = 1;
  for (let other = 0; other < count - 1; other++) {
    chance *= Math.max(0, total - size - other) / (total - 1 - other);
  }
  return chance;
}
