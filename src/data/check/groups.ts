// Samples that are equal in something.

/** Fingerprints of N samples: [N, 2] 32-bit words. */
export type Fingerprints = Uint32Array;

/**
 * The samples among `ids` that share all the fingerprints with another one: groups of at least two ids in rising order, the groups in the
 * order of their first ids.
 */
export function groupsOf(ids: Uint32Array, fingerprints: readonly Fingerprints[]): Uint32Array[] {
  const compare = (a: number, b: number): number => {
    for (const words of fingerprints) {
      const difference = words[2 * a]! - words[2 * b]! || words[2 * a + 1]! - words[2 * b + 1]!;
      if (difference !== 0) return difference;
    }
    return 0;
  };
  const sorted = ids.slice().sort((a, b) => compare(a, b) || a - b);
  const groups: Uint32Array[] = [];
  for (let start = 0, end = 1; start < sorted.length; start = end++) {
    while (end < sorted.length && compare(sorted[start]!, sorted[end]!) === 0) end++;
    if (end - start > 1) groups.push(sorted.subarray(start, end));
  }
  return groups.sort((a, b) => a[0]! - b[0]!);
}
