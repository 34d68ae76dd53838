import { expect, test } from "vitest";
import { decodeUtf8 } from "./utf8.ts";

// What Python answers to bytes.decode("utf-8-variants") with ftfy 6.3; undefined where it raises an error.
test.each([
  ["UTF-8", "caf\xc3\xa9 \xf0\x9f\x98\x80", "café 😀"],
  ["no UTF-8", "\xff", undefined],
  ["CESU-8", "\xed\xa0\xbd\xed\xb8\x80", "😀"],
  ["CESU-8 and Java's null inside", "x\xed\xa0\xbd\xed\xb8\x80y\xc0\x80z", "x😀y\0z"],
  ["Hangul, which also starts with ED", "\xed\x95\x9c", "한"],
  ["one surrogate", "\xed\xa0\xbd", undefined],
  ["one surrogate and text", "\xed\xa0\xbdabcdef", undefined],
  ["two low surrogates", "\xed\xbf\xbf\xed\xbf\xbf12", undefined],
  ["C0 at the end", "\xc0", undefined],
  ["C0 at the end of a line", "\xc0\n", "\0"],
  ["C0 81", "a\xc0\x81", undefined],
  ["CESU-8 cut off by the end of a line", "\xed\xa0\xbd\xed\xb8\n", "\u{1f60a}"],
  ["a surrogate cut off by the end of a line", "\xed\xa0\n", undefined],
  ["ED at the end", "\xc0\x80\xed", undefined],
])("%s", (_, bytes, text) => {
  expect(decodeUtf8(bytes)).toBe(text);
});
