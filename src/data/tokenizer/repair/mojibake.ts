import { isBad } from "./badness.ts";
import { alphabeticPages, type CodePage, c1AsWindows1252, codePages, encodeIn } from "./codepages.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Turns mojibake back into what was written: text that looks bad is written out as bytes in the encoding it was wrongly
 * read in, and read again as UTF-8. The steps and their order are those of ftfy 6.3's `fix_encoding`.
 */

/**
 * Rounds after which text that still changes is left as it is. Each round undoes one layer of a mistake, so real text
 * takes one or two; without a bound, a text made for it could cost time quadratic in its length.
 */
export const MAX_ROUNDS = 100;

/** Bytes that would be UTF-8 if a space in them were byte A0 (a no-break space that some program made plain). */
const spaceForA0 =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf]{2}|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf]{2} /g;

/** "à" as a word of its own keeps a space behind it, but not where Portuguese writes one word (às, àquele). */
const wordAGrave = /\xc3 (?! |quele|quela|quilo|s )/g;

function restoreA0(bytes: string): string {
  if (bytes.search(spaceForA0) < 0) return bytes;
  return bytes.replace(wordAGrave, "\xc3\xa0 ").replace(spaceForA0, (found) => found.replaceAll(" ", "\xa0"));
}

const CONTINUATION = "[\\x1a\\x80-\\xbf]";
const LOST = "[\\x1a?]";
/** UTF-8 sequences of which bytes were lost: 1A is a byte that became U+FFFD, "?" may stand for one of them. */
const lossySequence = new RegExp(
  [
    "[\\xc2-\\xdf]\\x1a",
    "[\\xc2-\\xc3]\\?",
    `\\xed[\\xa0-\\xaf]${LOST}\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]`,
    `\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf]${LOST}`,
    `[\\xe0-\\xef]${LOST}${CONTINUATION}`,
    `[\\xe0-\\xef]${CONTINUATION}${LOST}`,
    `[\\xf0-\\xf4]${LOST}${CONTINUATION}{2}`,
    `[\\xf0-\\xf4]${CONTINUATION}${LOST}${CONTINUATION}`,
    `[\\xf0-\\xf4]${CONTINUATION}{2}${LOST}`,
    "\\x1a",
  ].join("|"),
  "g",
);
const REPLACEMENT_UTF8 = "\xef\xbf\xbd";

/** What `text` says if it is UTF-8 that was read in this code page, or undefined. */
function rereadFrom(page: CodePage, text: string): string | undefined {
  let bytes = encodeIn(page, text);
  if (bytes === undefined) return undefined;
  // In Mac OS Roman an en dash with a space behind it looks like such bytes.
  if (page.name !== "macroman") bytes = restoreA0(bytes);
  if (page.sloppy) bytes = bytes.replace(lossySequence, REPLACEMENT_UTF8);
  return decodeUtf8(bytes);
}

/** Characters that the bytes from..to become in any of the alphabetic code pages. */
function charactersOf(from: number, to: number): string {
  return alphabeticPages.map((page) => page.upperHalf.slice(from - 0x80, to - 0x80 + 1)).join("");
}

/** Runs of what looks like UTF-8 sequences in any mix of the alphabetic code pages. */
function embeddedPattern(): RegExp {
  const continuation = charactersOf(0x80, 0xbf);
  // Quotation marks, dashes and the like stand for themselves beside mojibake too.
  const strict = continuation.replace(/[–—―‘’‚“”„•…]/g, "");
  const next = `[ \x80-\xbf${continuation}]`;
  const two = `[${charactersOf(0xc2, 0xdf)}]${next}`;
  const three = `[${charactersOf(0xe0, 0xef)}]${next}{2}`;
  const four = `[${charactersOf(0xf0, 0xf0)}${charactersOf(0xf3, 0xf3)}]${next}{3}`;
  // A run behind a stray continuation character is left: repairing the end of a garble would hide the rest.
  return new RegExp(`(?<![\x80-\xbf${strict}])(?:${two}|${three}|${four})+`, "g");
}

let embedded: RegExp | undefined;

/** Repairs the parts of a text that are mojibake while the rest is not. */
function repairEmbedded(text: string): string {
  embedded ??= embeddedPattern();
  return text.replace(embedded, (found) => {
    // A match as long as the text would come back here for ever.
    return found.length < text.length && isBad(found) ? repairMojibake(found) : found;
  });
}

/** C1 controls are what windows-1252's punctuation becomes in latin-1; browsers read them so too. */
export function repairC1(text: string): string {
  return text.replace(/[\x80-\x9f]/g, c1AsWindows1252);
}

function repairOneLayer(text: string): string {
  if (!isBad(text)) return text;
  for (const page of codePages) {
    const reread = rereadFrom(page, text);
    if (reread !== undefined) return reread;
  }
  const repaired = repairEmbedded(text);
  return repaired === text ? repairC1(text) : repaired;
}

/** `text` with mojibake repaired, however many times it was misread; other text comes back unchanged. */
export function repairMojibake(text: string): string {
  let current = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = repairOneLayer(current);
    if (next === current) break;
    current = next;
  }
  return current;
}
