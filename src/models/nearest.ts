// Which known names a mistyped one was likely meant to be.

function letterPairs(text: string): Set<string> {
  const letters = ` ${text.toLowerCase()} `;
  return new Set(Array.from({ length: letters.length - 1 }, (_, i) => letters.slice(i, i + 2)));
}

/** Share of the letter pairs of two words that are common to them (Dice's coefficient). */
function similarity(a: string, b: string): number {
  const [pairsA, pairsB] = [letterPairs(a), letterPairs(b)];
  const common = [...pairsA].filter((pair) => pairsB.has(pair)).length;
  return (2 * common) / (pairsA.size + pairsB.size);
}

/** The `count` names most like `word`, the nearest first. */
export function nearestNames(word: string, names: readonly string[], count: number): string[] {
  const scored = names.map((name) => ({ name, score: similarity(word, name) }));
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ name }) => name);
}
