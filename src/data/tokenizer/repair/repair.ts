import { repairCharacters } from "./characters.ts";
import { unescapeHtmlStrict } from "./html.ts";
import { MAX_ROUNDS, repairMojibake } from "./mojibake.ts";

/**
 * The default path of ftfy 6.3 (`ftfy.fix_text`), which OpenCLIP runs over every caption: mojibake, HTML entities,
 * ligatures, widths, quotes, line breaks, surrogates, terminal escapes, control characters and NFC.
 *
 * Known differences: text that still changes after {@link MAX_ROUNDS} rounds is left there (ftfy goes on, in quadratic
 * time for "&amp;amp;amp;..."), and Unicode is the runtime's version, not Python's.
 */

/** A line is repaired in pieces of this many code points, as in ftfy. */
export const MAX_SEGMENT = 1_000_000;

function repairSegment(segment: string, hasEntities: boolean): string {
  let text = segment;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = repairCharacters(repairMojibake(hasEntities ? unescapeHtmlStrict(text) : text));
    if (next === text) break;
    text = next;
  }
  return text;
}

/** 1 for the ASCII characters that no repair changes: all but "&" and the control characters that are no white space. */
const isPlainUnit = Uint8Array.from({ length: 128 }, (_, unit) =>
  (unit >= 0x20 && unit < 0x7f && unit !== 0x26) || [9, 10, 12, 13].includes(unit) ? 1 : 0,
);

/** Where the first character that a repair could change stands in `text[from, to)`, or `to`. */
function plainUntil(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isPlainUnit[text.charCodeAt(at)] === 1) at++;
  return at;
}

/** True when no repair can change `text`. */
export function isPlain(text: string): boolean {
  return plainUntil(text, 0, text.length) === text.length;
}

/** End of the block of plain lines that starts at the line start `from`, or `from` if that line is not plain. */
function plainBlockEnd(text: string, from: number): number {
  const window = Math.min(text.length, from + MAX_SEGMENT);
  const plain = plainUntil(text, from, window);
  if (plain === text.length) return plain;
  const lines = text.slice(from, plain).lastIndexOf("\n") + 1;
  return lines > 0 ? from + lines : plain === from + MAX_SEGMENT ? plain : from;
}

/** `to`, or the place {@link MAX_SEGMENT} code points after `from` if that comes first. */
function limitSegment(text: string, from: number, to: number): number {
  if (to - from <= MAX_SEGMENT) return to;
  let at = from;
  for (let count = 0; count < MAX_SEGMENT && at < to; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/**
 * The repaired text in pieces, in order. A piece is made only when it is asked for. Plain lines come as they are, also
 * with carriage returns, which ftfy turns into line feeds: to a tokenizer both are white space.
 */
export function* repairedSegments(text: string): Generator<string, void, void> {
  // A "<" says that the text is HTML, whose entities are meant; ftfy keeps that for all lines that follow.
  let hasEntities = true;
  let lineEnd = 0;
  for (let from = 0; from < text.length; ) {
    const plain = plainBlockEnd(text, from);
    // The end of a long line without line breaks is looked up once, not once per segment.
    if (plain === from && lineEnd <= from) lineEnd = text.indexOf("\n", from) + 1 || text.length;
    const to = plain > from ? plain : limitSegment(text, from, lineEnd);
    const segment = text.slice(from, to);
    hasEntities &&= !segment.includes("<");
    yield plain > from ? segment : repairSegment(segment, hasEntities);
    from = to;
  }
}
