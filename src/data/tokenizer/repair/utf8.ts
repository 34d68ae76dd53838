import { isUtf8 } from "node:buffer";

/**
 * UTF-8 and its two common variants: CESU-8 (a character beyond U+FFFF as two surrogates of three bytes each) and Java's
 * two-byte encoding of U+0000. Bytes come as a string with one character U+0000-U+00FF per byte.
 *
 * The details on broken input (a sequence cut off by the end of the line) are those of ftfy's `utf-8-variants` codec:
 * the end means the end of the text or the line break before it.
 */
const END = "(?=\\n?$)";
const CESU8 = `\\xed(?:[\\xa0-\\xaf]|${END})(?:[\\x80-\\xbf]|${END})(?:\\xed|${END})(?:[\\xb0-\\xbf]|${END})(?:[\\x80-\\xbf]|${END})`;
const cesu8Here = new RegExp(CESU8, "y");
const variant = new RegExp(`\\xc0(?:\\x80|${END})|${CESU8}|\\xed(?:[\\xa0-\\xbf]|${END})(?:[\\x80-\\xbf]|${END})`, "g");

/** The text of valid UTF-8 `bytes`, or undefined. */
function decodeStrict(bytes: string): string | undefined {
  const buffer = Buffer.from(bytes, "latin1");
  return isUtf8(buffer) ? buffer.toString("utf8") : undefined;
}

/** The code point of the six CESU-8 bytes at `at`: ten bits from each surrogate. */
function cesu8CodePoint(bytes: string, at: number): number {
  const bits = (offset: number, mask: number): number => bytes.charCodeAt(at + offset) & mask;
  return 0x10000 + (bits(1, 0x0f) << 16) + (bits(2, 0x3f) << 10) + (bits(4, 0x0f) << 6) + bits(5, 0x3f);
}

/** The variant sequence at `at` as [text, bytes consumed], or undefined when the bytes are no such sequence. */
function decodeVariant(bytes: string, at: number): readonly [string, number] | undefined {
  const left = bytes.length - at;
  if (bytes.charCodeAt(at) === 0xc0) return left > 1 ? ["\0", 2] : undefined;
  if (left < 6) {
    const rest = decodeStrict(bytes.slice(at));
    return rest === undefined ? undefined : [rest, left];
  }
  cesu8Here.lastIndex = at;
  return cesu8Here.test(bytes) ? [String.fromCodePoint(cesu8CodePoint(bytes, at)), 6] : undefined;
}

/** The text of `bytes` in UTF-8 or its variants, or undefined when they are neither. */
export function decodeUtf8(bytes: string): string | undefined {
  if (!/[\xc0\xed]/.test(bytes)) return decodeStrict(bytes);
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    variant.lastIndex = at;
    const found = variant.exec(bytes)?.index ?? bytes.length;
    const plain = decodeStrict(bytes.slice(at, found));
    if (plain === undefined) return undefined;
    text += plain;
    if (found === bytes.length) break;
    const special = decodeVariant(bytes, found);
    if (special === undefined) return undefined;
    text += special[0];
    at = found + special[1];
  }
  return text;
}
