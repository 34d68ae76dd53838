import { END_OF_WORD, NO_MERGE, type Vocabulary } from "./vocabulary.ts";

/**
 * Byte-pair encoding of one word: its bytes are symbols, and as long as some neighbours have a merge, the earliest merge
 * is done everywhere in the word, from left to right. (Sennrich et al., arXiv 1508.07909.)
 */

/** Bytes from which on a word goes through the queue: the scan is simple and fast, but quadratic in the length. */
const LONG_WORD = 256;

function byteSymbols(word: string, vocabulary: Vocabulary): Int32Array {
  const bytes = Buffer.from(word);
  const symbols = new Int32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) symbols[i] = vocabulary.byteIds[bytes[i]!]!;
  symbols[bytes.length - 1]! += END_OF_WORD;
  return symbols;
}

/** Merges in place and returns the number of symbols left. */
function mergeByScan(symbols: Int32Array, vocabulary: Vocabulary): number {
  let length = symbols.length;
  /** merges[i] is the merge of symbols i and i + 1. */
  const merges = new Int32Array(length).fill(NO_MERGE);
  const update = (i: number): void => {
    if (i >= 0) merges[i] = i + 1 < length ? vocabulary.mergeOf(symbols[i]!, symbols[i + 1]!) : NO_MERGE;
  };
  for (let i = 0; i < length; i++) update(i);
  for (;;) {
    let first = 0;
    for (let i = 1; i < length; i++) if (merges[i]! < merges[first]!) first = i;
    if (merges[first] === NO_MERGE) return length;
    symbols[first] = merges[first]!;
    symbols.copyWithin(first + 1, first + 2, length);
    merges.copyWithin(first + 1, first + 2, length);
    length--;
    update(first - 1);
    update(first);
  }
}

/** Candidate merges, smallest first: the merge's id above, the position of its left symbol below. */
class MergeQueue {
  private readonly heap: number[] = [];
  private static readonly POSITIONS = 2 ** 32;

  push(merge: number, position: number): void {
    const { heap } = this;
    const key = merge * MergeQueue.POSITIONS + position;
    let at = heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! > key; parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = key;
  }

  pop(): { merge: number; position: number } | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined) return undefined;
    if (heap.length > 0) this.sink(last);
    return { merge: Math.floor(top / MergeQueue.POSITIONS), position: top % MergeQueue.POSITIONS };
  }

  /** Puts `key` where the root was. */
  private sink(key: number): void {
    const { heap } = this;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= key) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = key;
  }
}

/**
 * The same result in n log n: symbols in a linked list, candidates in a queue. A merge's new neighbours can only merge
 * later than it did, so the queue's order is the order of the scans.
 */
function mergeByQueue(symbols: Int32Array, vocabulary: Vocabulary): number {
  const end = symbols.length;
  const next = Int32Array.from(symbols, (_, i) => i + 1);
  const previous = Int32Array.from(symbols, (_, i) => i - 1);
  const queue = new MergeQueue();
  const mergeAt = (i: number): number =>
    i >= 0 && next[i]! < end ? vocabulary.mergeOf(symbols[i]!, symbols[next[i]!]!) : NO_MERGE;
  const offer = (i: number): void => {
    const merge = mergeAt(i);
    if (merge !== NO_MERGE) queue.push(merge, i);
  };
  for (let i = 0; i < end; i++) offer(i);
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    const { merge, position } = top;
    // An entry is out of date when its symbols have since become part of others.
    if (symbols[position] === GONE || mergeAt(position) !== merge) continue;
    const right = next[position]!;
    symbols[position] = merge;
    symbols[right] = GONE;
    next[position] = next[right]!;
    if (next[right]! < end) previous[next[right]!] = position;
    offer(previous[position]!);
    offer(position);
  }
  return keepPresent(symbols);
}

const GONE = -1;

/** Moves the symbols that are left to the front and returns their number. */
function keepPresent(symbols: Int32Array): number {
  let kept = 0;
  for (const symbol of symbols) if (symbol !== GONE) symbols[kept++] = symbol;
  return kept;
}

/** The ids of a word that is not empty and has no unpaired surrogate. */
export function encodeWord(word: string, vocabulary: Vocabulary): Int32Array {
  const symbols = byteSymbols(word, vocabulary);
  const merge = symbols.length < LONG_WORD ? mergeByScan : mergeByQueue;
  return symbols.slice(0, merge(symbols, vocabulary));
}
