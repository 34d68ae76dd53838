// How likely a batch is to hold two samples of one caption.

/** So many captions stand at `size` samples each. */
interface Class {
  readonly size: number;
  readonly captions: number;
}

/**
 * Probability that a batch of B samples, drawn without replacement from N = sum of n_c samples, holds some caption twice:
 *
 *   1 - e_B(n_1, n_2, ...) / C(N, B)
 *
 * where the elementary symmetric polynomial e_B, the sum over all sets of B captions of the product of their n_c, counts the batches without
 * a repetition. (For all n_c = n it is hypergeometric: n^B C(N/n, B) / C(N, B).) Both are taken as the coefficient of x^B in a product,
 * of (1 + n_c x) over captions and of (1 + x) over samples, by `logCoefficient`.
 *
 * @param counts n_c, the number of samples of each caption.
 */
export function collisionProbability(counts: readonly number[], batchSize: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const size = Math.min(batchSize, total);
  if (size < 2 || counts.length === total) return 0;
  if (size > counts.length) return 1;
  const distinct = logCoefficient(classesOf(counts), size);
  const all = logCoefficient([{ size: 1, captions: total }], size);
  return Math.min(1, Math.max(0, -Math.expm1(distinct - all)));
}

function classesOf(counts: readonly number[]): Class[] {
  const captions = new Map<number, number>();
  for (const count of counts) captions.set(count, (captions.get(count) ?? 0) + 1);
  return [...captions].map(([size, number]) => ({ size, captions: number }));
}

/**
 * log of the coefficient of x^B in the product of (1 + n x)^k over classes of k captions with n samples each.
 *
 * With x = r y and p = n r / (1 + n r), the product is that of (1 + n r)^k times that of (1 - p + p y)^k: the second is the generating
 * function of S, a sum of independent binomial numbers. So the coefficient is r^-B prod (1 + n r)^k P(S = B), and r is chosen so that S has
 * the mean B, where P(S = B) is largest and nothing is lost to rounding.
 */
function logCoefficient(classes: readonly Class[], degree: number): number {
  const captions = classes.reduce((sum, one) => sum + one.captions, 0);
  if (degree === captions) return classes.reduce((sum, one) => sum + one.captions * Math.log(one.size), 0);
  const r = tilt(classes, degree);
  const scale = classes.reduce((sum, one) => sum + one.captions * Math.log1p(one.size * r), -degree * Math.log(r));
  const binomials = classes.map(({ size, captions: trials }) => binomial(trials, size * r));
  const { first, values } = binomials.reduce(convolve);
  return scale + Math.log(values[degree - first]!);
}

/** The r at which the sum of k n r / (1 + n r) is `mean`, by bisection of its logarithm. */
function tilt(classes: readonly Class[], mean: number): number {
  let [low, high] = [-100, 100];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    const r = Math.exp(middle);
    const sum = classes.reduce((all, { size, captions }) => all + (captions * size * r) / (1 + size * r), 0);
    if (sum < mean) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** The probabilities of `first`, `first` + 1, ...; all others are negligible. */
interface Distribution {
  readonly first: number;
  readonly values: Float64Array;
}

/** Below this share of the largest probability nothing is kept. */
const negligible = 1e-25;

/** The binomial distribution of p = odds / (1 + odds), from its mode to both sides by the ratio of neighbours. */
function binomial(trials: number, odds: number): Distribution {
  const mode = Math.min(trials, Math.floor(((trials + 1) * odds) / (1 + odds)));
  const above: number[] = [];
  for (let k = mode, value = 1; k < trials && value > negligible; k++) {
    value *= ((trials - k) / (k + 1)) * odds;
    above.push(value);
  }
  const below: number[] = [];
  for (let k = mode, value = 1; k > 0 && value > negligible; k--) {
    value *= k / (trials - k + 1) / odds;
    below.push(value);
  }
  const values = Float64Array.from([...below.reverse(), 1, ...above]);
  const sum = values.reduce((all, value) => all + value, 0);
  return { first: mode - below.length, values: values.map((value) => value / sum) };
}

/** The distribution of the sum of two independent numbers. */
function convolve(a: Distribution, b: Distribution): Distribution {
  const values = new Float64Array(a.values.length + b.values.length - 1);
  for (const [i, x] of a.values.entries()) for (const [j, y] of b.values.entries()) values[i + j]! += x * y;
  return trim({ first: a.first + b.first, values });
}

/** Leaves out the negligible ends, so that a long chain of sums stays narrow. */
function trim({ first, values }: Distribution): Distribution {
  const least = negligible * values.reduce((most, value) => Math.max(most, value), 0);
  let [start, end] = [0, values.length];
  while (values[start]! < least) start++;
  while (values[end - 1]! < least) end--;
  return { first: first + start, values: values.slice(start, end) };
}
