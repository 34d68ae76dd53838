import { expect, test } from "vitest";
import { encodeWord } from "./bpe.ts";
import { loadVocabulary, NO_MERGE } from "./vocabulary.ts";

const vocabulary = loadVocabulary();

/** The definition, with no care for speed. */
function encodeSlowly(word: string): number[] {
  let ids = [...Buffer.from(word)].map(
    (byte, i, bytes) => vocabulary.byteIds[byte]! + (i === bytes.length - 1 ? 256 : 0),
  );
  for (;;) {
    const merges = ids.slice(1).map((right, i) => vocabulary.mergeOf(ids[i]!, right));
    const best = Math.min(NO_MERGE, ...merges);
    if (best === NO_MERGE) return ids;
    const merged: number[] = [];
    for (let i = 0; i < ids.length; i += merges[i] === best ? 2 : 1) merged.push(merges[i] === best ? best : ids[i]!);
    ids = merged;
  }
}

function randomWord(length: number, seed: number): string {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  // Few letters, so that runs of one letter and overlapping merges are common.
  return Array.from({ length }, () => "aaaeinstoré"[Math.floor(next() * 11)]).join("");
}

test.each([1, 2, 3, 7, 40, 200, 255, 256, 257, 300, 1000])(
  "words of %i letters are merged by the definition",
  (length) => {
    for (let seed = 1; seed <= 20; seed++) {
      const word = randomWord(length, seed);
      expect([...encodeWord(word, vocabulary)], word).toEqual(encodeSlowly(word));
    }
  },
);

test("a run of one letter merges from the left", () => {
  for (const length of [2, 3, 5, 255, 256, 1001]) {
    const word = "a".repeat(length);
    expect([...encodeWord(word, vocabulary)]).toEqual(encodeSlowly(word));
  }
});

test("every byte has an id", () => {
  expect(new Set(vocabulary.byteIds)).toEqual(new Set(Array.from({ length: 256 }, (_, id) => id)));
  // "!" is the first printable byte, "a" the 65th behind it.
  expect([...encodeWord("!", vocabulary)]).toEqual([256]);
  expect([...encodeWord("a", vocabulary)]).toEqual([256 + 64]);
});
