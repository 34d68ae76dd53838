import { unescapeHtml } from "./repair/html.ts";
import { PYTHON_SPACE } from "./repair/python.ts";
import { isPlain, MAX_SEGMENT, repairedSegments } from "./repair/repair.ts";

/**
 * OpenCLIP's default cleaning (`clean="lower"`): ftfy, `html.unescape` twice, white space to single spaces, lower case.
 * ASCII text without "&" needs only the last of these, because splitting into words (words.ts) skips ASCII white space.
 */

/** Pieces are at least this long, so that text of many short lines costs no more per character than one line. */
const MIN_PIECE = 1 << 16;
/** Longest HTML character reference of a sane length; a piece does not end inside one. */
const MAX_REFERENCE = 40;

const whiteSpace = new RegExp(`[${PYTHON_SPACE}]+`, "g");

function finish(repaired: string): string {
  if (isPlain(repaired)) return repaired.toLowerCase();
  return unescapeHtml(unescapeHtml(repaired)).replace(whiteSpace, " ").toLowerCase();
}

/**
 * Where `text` can be cut so that its two parts clean to the same words: before the last space or line break, over which
 * no entity, no word and no rule of lower case reaches. Text without any is cut at the end once it fills a segment.
 */
function cutOf(text: string): number {
  const space = Math.max(text.lastIndexOf(" "), text.lastIndexOf("\n"));
  if (space > 0 || text.length < MAX_SEGMENT) return Math.max(space, 0);
  const reference = text.slice(-MAX_REFERENCE).indexOf("&");
  return reference < 0 ? text.length : text.length - MAX_REFERENCE + reference;
}

/**
 * The cleaned text in pieces that hold whole words, made as they are asked for: who needs the first words of a very long
 * text does not pay for the rest. (Only where a million characters follow one another without a space can a word be
 * split between pieces.)
 */
export function* cleanedPieces(text: string): Generator<string, void, void> {
  let held = "";
  for (const segment of repairedSegments(text)) {
    held += segment;
    if (held.length < MIN_PIECE) continue;
    const cut = cutOf(held);
    if (cut > 0) yield finish(held.slice(0, cut));
    held = held.slice(cut);
  }
  yield finish(held);
}
