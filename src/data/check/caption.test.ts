import { expect, test } from "vitest";
import { captionFlag, countCharacters, flagsOf, judgedPart, scriptOf, scripts } from "./caption.ts";
import { createGuesser, tooShort, unpackLanguage } from "./language.ts";

test.each([
  ["a cat", []],
  ["two cats on a mat", []],
  ["cat", ["nearEmpty"]],
  ["- !", ["nearEmpty"]],
  ["a b", ["nearEmpty"]],
  // Scripts without spaces: "a cat on a mat" is more than a word, "cat" is one.
  ["垫子上的一只猫", []],
  ["แมวบนเสื่อ", []],
  ["猫", ["nearEmpty"]],
  ["IMG_2034.JPG", ["fileName"]],
  ["DSC 00123", ["fileName"]],
  ["https://example.org/a/b", ["fileName"]],
  ["see www.example.org for two cats on a red mat", []],
  ["a-cat-on-a-mat.png", ["fileName"]],
])("flags of %j: %j", (caption, names) => {
  const flags = names.map((name) => captionFlag[name as keyof typeof captionFlag]);
  expect(flagsOf(judgedPart(caption))).toBe(flags.reduce((sum, flag) => sum + flag, 0));
});

test.each([
  ["a cat", "Latin"],
  ["кот на ковре", "Cyrillic"],
  ["коты cat", "Cyrillic"],
  ["一只猫", "Han"],
  ["ねこ", "Hiragana"],
  ["고양이", "Hangul"],
  ["ድመት", "other"],
  ["1, 2, 3!", "no letters"],
])("%j is written in %s", (caption, script) => {
  expect(scripts[scriptOf(caption)]).toBe(script);
});

test("characters are code points", () => {
  expect(countCharacters("aé🐈")).toBe(3);
});

test("a caption of a megabyte is judged by its beginning", () => {
  expect(judgedPart(` ${"x.".repeat(1 << 19)}`)).toHaveLength(999);
});

test("languages are guessed where the caption is long enough", async () => {
  const guess = await createGuesser();
  expect(guess("a cat")).toBe(tooShort);
  expect(unpackLanguage(guess("a small grey cat is sleeping on the kitchen table"))).toBe("en");
  expect(unpackLanguage(guess("eine kleine graue Katze schläft auf dem Küchentisch"))).toBe("de");
  expect(unpackLanguage(guess("маленькая серая кошка спит на кухонном столе"))).toBe("ru");
  expect(unpackLanguage(guess("小さな灰色の猫が台所のテーブルで寝ている"))).toBe("ja");
});
