/**
 * CLIP's pre-tokenization: cleaned text is split into special tokens, English contractions, runs of letters, single
 * digits, and runs of anything else that is not white space.
 *
 * The pattern is OpenCLIP's, which ignores case: on lower-case text that matters only for "ſ", which folds to "s",
 * and for U+0345 (iota subscript), which is no letter but folds to one: no part of the pattern matches it.
 */
const pattern =
  /<[sſ]tart_of_text>|<end_of_text>|'(?:[sſtmd]|re|ve|ll)|\p{L}+|\p{N}|(?:(?!\u0345)[^\t-\r \p{L}\p{N}])+/uy;

const SPACE = 1;
const LETTER = 2;
const DIGIT = 3;
const SYMBOL = 4;
/** Symbols that may start one of the pattern's fixed strings. */
const STARTER = 5;

function kindOfUnit(unit: number): number {
  const character = String.fromCharCode(unit);
  if (/[\t-\r ]/.test(character)) return SPACE;
  if (/[a-zA-Z]/.test(character)) return LETTER;
  if (/[0-9]/.test(character)) return DIGIT;
  return /[<']/.test(character) ? STARTER : SYMBOL;
}

/** Kind of each ASCII character. Beyond ASCII the pattern decides; the table only makes the common case fast. */
const kinds = Uint8Array.from({ length: 128 }, (_, unit) => kindOfUnit(unit));

function matchEnd(text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : start;
}

/** End of the word that starts at `start`, or `start` if none does. */
function wordEnd(text: string, start: number): number {
  const kind = kinds[text.charCodeAt(start)];
  if (kind === SPACE) return start;
  if (kind === DIGIT) return start + 1;
  if (kind !== LETTER && kind !== SYMBOL) return matchEnd(text, start);
  let end = start + 1;
  for (let next = kinds[text.charCodeAt(end)]; ; next = kinds[text.charCodeAt(++end)]) {
    const isSame = next === kind || (kind === SYMBOL && next === STARTER);
    if (!isSame) break;
  }
  // A character beyond ASCII may belong to the run.
  return text.charCodeAt(end) > 127 ? matchEnd(text, start) : end;
}

/** Calls `visit` with each word of cleaned `text` in order, until it returns false. */
export function forEachWord(text: string, visit: (word: string) => boolean): void {
  let start = 0;
  while (start < text.length) {
    const end = wordEnd(text, start);
    if (end > start && !visit(text.slice(start, end))) return;
    start = Math.max(end, start + 1);
  }
}
