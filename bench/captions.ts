// Made-up captions from a seed: words of CLIP's own vocabulary, the frequent ones often, with the punctuation of web captions.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Each method returns that many new captions. */
export interface CaptionMaker {
  /** English words as often as they come in English, in ASCII. */
  common(count: number): string[];
  /** The same, and something beyond ASCII or an HTML entity in every caption. */
  accented(count: number): string[];
  /** Words that hardly ever come twice. */
  rare(count: number): string[];
}

const accents = [
  "café",
  "l’été",
  "naïve",
  "— “Zürich”",
  "crème brûlée",
  "&amp;",
  "São Paulo",
  "5€",
  "東京",
  "Ã©clair",
  "🌅",
];
const ends = ["", "", ".", "!", " | stock photo", " - 4k", ", 2019", " (vector)", "..."];

/** Whole words of the vocabulary, most frequent first. */
function vocabularyWords(): string[] {
  const file = join(import.meta.dirname, "../assets/bpe_simple_vocab_16e6.txt.gz");
  const lines = gunzipSync(readFileSync(file)).toString("utf8").split("\n", 48_895);
  return lines.map((line) => line.replace(" ", "")).flatMap((merged) => /^([a-z]{2,})<\/w>$/.exec(merged)?.[1] ?? []);
}

/** Mulberry32: uniform in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function captionMaker(seed: number): CaptionMaker {
  const words = vocabularyWords();
  const random = randomFrom(seed);
  const oneOf = (list: readonly string[]): string => list[Math.floor(random() * list.length)]!;
  /** Zipf's law: the rank is uniform in its logarithm. */
  const commonWord = (): string => words[Math.floor(words.length ** random()) - 1]!;
  const rareWord = (): string => oneOf(words) + oneOf(words);

  function caption(word: () => string): string {
    const length = 4 + Math.floor(random() * 16);
    const text = Array.from({ length }, () => (random() < 0.03 ? `${word()}'s` : word())).join(" ");
    return text.charAt(0).toUpperCase() + text.slice(1) + oneOf(ends);
  }

  const many = (count: number, one: () => string): string[] => Array.from({ length: count }, one);
  return {
    common: (count) => many(count, () => caption(commonWord)),
    accented: (count) => many(count, () => `${caption(commonWord)} ${oneOf(accents)} ${commonWord()}`),
    rare: (count) => many(count, () => caption(rareWord)),
  };
}
