import { expect, test } from "vitest";
import { forEachWord } from "./words.ts";

function wordsOf(text: string): string[] {
  const words: string[] = [];
  forEachWord(text, (word) => words.push(word) > 0);
  return words;
}

test.each([
  ["a photo  of\na cat", ["a", "photo", "of", "a", "cat"]],
  ["3.5mm iphone12", ["3", ".", "5", "mm", "iphone", "1", "2"]],
  ["it's we'll they've i'd can't", ["it", "'s", "we", "'ll", "they", "'ve", "i", "'d", "can", "'t"]],
  ["'sun rock'n'roll dogs'", ["'s", "un", "rock", "'", "n", "'", "roll", "dogs", "'"]],
  ["wow!!'s <b>'</b>", ["wow", "!!'", "s", "<", "b", ">'</", "b", ">"]],
  ["<end_of_text>x<end_of_tex", ["<end_of_text>", "x", "<", "end", "_", "of", "_", "tex"]],
  ["!<end_of_text>", ["!<", "end", "_", "of", "_", "text", ">"]],
  ["café-crème…! 東京タワー", ["café", "-", "crème", "…!", "東京タワー"]],
  ["x²½٣😀👩‍🚀", ["x", "²", "½", "٣", "😀👩‍🚀"]],
  ["'ſ", ["'ſ"]],
  // No part of the pattern matches U+0345: see words.ts.
  ["a\u0345b !\u0345!", ["a", "b", "!", "!"]],
  ["", []],
])("%j", (text, words) => {
  expect(wordsOf(text)).toEqual(words);
});

test("stops when it is told to", () => {
  const seen: string[] = [];
  forEachWord("one two three", (word) => seen.push(word) < 2);
  expect(seen).toEqual(["one", "two"]);
});
