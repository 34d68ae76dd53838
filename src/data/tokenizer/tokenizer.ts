import { encodeWord } from "./bpe.ts";
import { cleanedPieces } from "./clean.ts";
import { loadVocabulary, type Vocabulary } from "./vocabulary.ts";
import { forEachWord } from "./words.ts";

/**
 * CLIP's tokenizer as OpenCLIP runs it by default: text is cleaned (mojibake, HTML entities, white space, lower case), split
 * into words, and each word is byte-pair encoded. Ids equal those of open_clip_torch 3.3 with ftfy 6.3.
 *
 * Known differences, none of them in text that people write: letters that Unicode added after the Python's version was
 * made may change case here; entities nested more than a hundred deep stay; a word of a million letters may be split; and
 * numeric references of more than 4300 digits, at which Python stops with an error, are U+FFFD.
 */
export interface Tokenizer {
  /** Ids in a row, {@link Tokenizer.encodeInto}'s start and end included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** The ids of a text between the start and the end id: not padded, not cut. */
  encode(text: string): number[];
  /**
   * Fills `row` [contextLength] with the ids of a text, padded with 0. A text that is too long is cut so that the last id
   * is the end id. Only as much of the text is read as fills the row. Throws when `row` has another length.
   */
  encodeInto(text: string, row: Int32Array): void;
}

/** Words whose ids are remembered; captions use few words often. About 10 MB when full, then it starts anew. */
const CACHE_WORDS = 1 << 16;
/** Longer words come once and would only take the room of others. */
const CACHE_LENGTH = 32;

/** A function from words to ids that remembers what it met before. */
function cachedEncoder(vocabulary: Vocabulary): (word: string) => Int32Array {
  const special = new Map<string, Int32Array>([
    ["<start_of_text>", Int32Array.of(vocabulary.startId)],
    ["<end_of_text>", Int32Array.of(vocabulary.endId)],
  ]);
  const cache = new Map(special);
  return (word) => {
    const known = cache.get(word);
    if (known !== undefined) return known;
    const ids = special.get(word) ?? encodeWord(word, vocabulary);
    if (cache.size >= CACHE_WORDS) cache.clear();
    if (word.length <= CACHE_LENGTH) cache.set(word, ids);
    return ids;
  };
}

/** Calls `visit` with the ids of each word of `text` in order, until it returns false. */
function forEachWordIds(text: string, encode: (word: string) => Int32Array, visit: (ids: Int32Array) => boolean): void {
  let isWanted = true;
  for (const piece of cleanedPieces(text)) {
    forEachWord(piece, (word) => {
      isWanted = visit(encode(word));
      return isWanted;
    });
    if (!isWanted) return;
  }
}

function checkText(text: unknown): void {
  if (typeof text !== "string")
    throw new TypeError(`a caption must be a string, got ${text === null ? "null" : typeof text}`);
}

/**
 * Loads the vocabulary (once per thread) and returns a tokenizer. Throws when `contextLength` is not a whole number of at
 * least 2 (the start and the end id), or when the vocabulary file is missing.
 */
export function createTokenizer(options: { contextLength?: number } = {}): Tokenizer {
  const { contextLength = 77 } = options;
  if (!Number.isInteger(contextLength) || contextLength < 2)
    throw new RangeError(`contextLength must be a whole number of at least 2, got ${contextLength}`);
  const vocabulary = loadVocabulary();
  const { startId, endId } = vocabulary;
  const encodeCached = cachedEncoder(vocabulary);

  function encode(text: string): number[] {
    checkText(text);
    const ids = [startId];
    forEachWordIds(text, encodeCached, (wordIds) => {
      for (const id of wordIds) ids.push(id);
      return true;
    });
    ids.push(endId);
    return ids;
  }

  function encodeInto(text: string, row: Int32Array): void {
    checkText(text);
    if (row.length !== contextLength)
      throw new RangeError(`a row must hold contextLength = ${contextLength} ids, got one of ${row.length}`);
    row[0] = startId;
    let filled = 1;
    forEachWordIds(text, encodeCached, (wordIds) => {
      for (let i = 0; i < wordIds.length && filled < contextLength - 1; i++) row[filled++] = wordIds[i]!;
      return filled < contextLength - 1;
    });
    row[filled] = endId;
    row.fill(0, filled + 1);
  }

  return { contextLength, vocabSize: vocabulary.size, encode, encodeInto };
}
