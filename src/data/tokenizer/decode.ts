import { END_OF_WORD, loadVocabulary, type Vocabulary } from "./vocabulary.ts";

/** Symbols below this are bytes, inside a word or at its end. */
const BYTES = 2 * END_OF_WORD;

/**
 * The text that the ids of a caption stand for, with a space between words: what the model reads of it. The start and the end id are left
 * out, and so is what follows the first end id, where the text tower looks for what it has read. A character that is cut in two by the
 * context length is U+FFFD.
 */
export function decodeTokens(ids: Iterable<number>): string {
  const vocabulary = loadVocabulary();
  const bytes: number[] = [];
  for (const id of ids) {
    if (id === vocabulary.endId) break;
    if (id !== vocabulary.startId) appendBytes(id, vocabulary, bytes);
  }
  return Buffer.from(bytes).toString("utf8").trimEnd();
}

/** Takes merges apart until bytes are left; the last byte of a word is followed by a space. */
function appendBytes(id: number, vocabulary: Vocabulary, bytes: number[]): void {
  const open = [id];
  for (let symbol = open.pop(); symbol !== undefined; symbol = open.pop()) {
    const parts = vocabulary.partsOf(symbol);
    if (parts !== undefined) open.push(parts[1], parts[0]);
    else if (symbol < BYTES) bytes.push(vocabulary.byteIds.indexOf(symbol % END_OF_WORD));
    else throw new RangeError(`there is no token ${symbol}: ids are below ${vocabulary.size}`);
    if (parts === undefined && symbol >= END_OF_WORD) bytes.push(0x20);
  }
}
