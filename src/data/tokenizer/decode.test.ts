import { expect, test } from "vitest";
import { decodeTokens } from "./decode.ts";
import { createTokenizer } from "./tokenizer.ts";

const tokenizer = createTokenizer({ contextLength: 6 });

test.each([
  ["a photo of a cat", "a photo of a cat"],
  ["  Caf&eacute;\nNo 12! ", "café no 1 2 !"],
  ["日本語ABC", "日本語abc"],
  ["it's", "it 's"],
  ["🐈", "🐈"],
  ["", ""],
])("%j is read as %j", (text, read) => {
  expect(decodeTokens(tokenizer.encode(text))).toBe(read);
});

test("a row: cut at the context length, without padding", () => {
  const row = new Int32Array(6);
  tokenizer.encodeInto("one two three four five", row);
  expect(decodeTokens(row)).toBe("one two three four");
  tokenizer.encodeInto("one two", row);
  expect(decodeTokens(row)).toBe("one two");
});

test("nothing behind an end id in the text is read", () => {
  expect(decodeTokens(tokenizer.encode("a cat <end_of_text> a dog"))).toBe("a cat");
});

test("an id that no token has", () => {
  expect(() => decodeTokens([49408])).toThrow("there is no token 49408: ids are below 49408");
});
