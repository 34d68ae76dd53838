import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/**
 * CLIP's vocabulary: ids 0-255 are bytes, 256-511 the same bytes at the end of a word, then one id per merge of two
 * earlier symbols, in the order in which the merges are tried, then the two special tokens.
 */
export interface Vocabulary {
  readonly size: number;
  readonly startId: number;
  readonly endId: number;
  /** [256] id of each byte inside a word; add {@link END_OF_WORD} for the last byte of a word. */
  readonly byteIds: Uint16Array;
  /** Id of the symbol that two neighbours merge into, or {@link NO_MERGE}. A smaller id is an earlier merge. */
  mergeOf(left: number, right: number): number;
  /** The two symbols that a merge joins; undefined for the id of a byte or a special token. */
  partsOf(id: number): readonly [number, number] | undefined;
}

export const END_OF_WORD = 256;
/** Larger than every id. */
export const NO_MERGE = 0xffff;
const FIRST_MERGE = 512;
const MERGES = 49_152 - 256 - 2;
const FILE = join("assets", "bpe_simple_vocab_16e6.txt.gz");

/** The first folder above this file that holds the vocabulary: the package root, from `src/` and from `dist/` alike. */
function findFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    const file = join(folder, FILE);
    if (existsSync(file)) return file;
    if (folder === dirname(folder))
      throw new Error(`${FILE} was expected in a folder above ${here}, but none holds it`);
  }
}

/** Bytes in the order of their ids: the printable ones of latin-1 first. */
function byteOrder(): number[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  return [...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))];
}

/** The characters that stand for bytes in the file: themselves if printable, else U+0100 and on. */
function byteSymbols(order: readonly number[]): string[] {
  const printable = order.indexOf(0);
  return order.map((byte, id) => String.fromCharCode(id < printable ? byte : 0x100 + id - printable));
}

/** Pairs of ids to merged ids, in open addressing: answers in about half the time of a Map of numbers. */
class MergeTable {
  private static readonly MASK = (1 << 17) - 1;
  private readonly keys: Int32Array = new Int32Array(MergeTable.MASK + 1).fill(-1);
  private readonly ids: Uint16Array = new Uint16Array(MergeTable.MASK + 1).fill(NO_MERGE);

  private slotOf(key: number): number {
    let slot = Math.imul(key, 0x9e3779b1) >>> 15;
    while (this.keys[slot] !== key && this.keys[slot] !== -1) slot = (slot + 1) & MergeTable.MASK;
    return slot;
  }

  set(left: number, right: number, id: number): void {
    const key = (left << 16) | right;
    const slot = this.slotOf(key);
    this.keys[slot] = key;
    this.ids[slot] = id;
  }

  get(left: number, right: number): number {
    return this.ids[this.slotOf((left << 16) | right)]!;
  }
}

function parse(file: string): Vocabulary {
  const order = byteOrder();
  const symbols = byteSymbols(order);
  const ids = new Map<string, number>();
  for (const [id, symbol] of symbols.entries()) ids.set(symbol, id).set(`${symbol}</w>`, id + END_OF_WORD);
  const lines = gunzipSync(readFileSync(file))
    .toString("utf8")
    .split("\n", MERGES + 1);
  if (lines.length !== MERGES + 1) throw new Error(`${file}: expected ${MERGES} merges, got ${lines.length - 1}`);
  const table = new MergeTable();
  /** [MERGES, 2] */
  const parts = new Uint16Array(2 * MERGES);
  for (let i = 1; i <= MERGES; i++) {
    const [left = "", right = ""] = lines[i]!.split(" ");
    const id = FIRST_MERGE + i - 1;
    parts.set([idOf(left), idOf(right)], 2 * (i - 1));
    table.set(idOf(left), idOf(right), id);
    ids.set(left + right, id);
  }
  function idOf(symbol: string): number {
    const id = ids.get(symbol);
    if (id === undefined) throw new Error(`${file}: a merge names the symbol "${symbol}" before it is made`);
    return id;
  }
  const byteIds = new Uint16Array(256);
  for (const [id, byte] of order.entries()) byteIds[byte] = id;
  const startId = FIRST_MERGE + MERGES;
  return {
    size: startId + 2,
    startId,
    endId: startId + 1,
    byteIds,
    mergeOf: (left, right) => table.get(left, right),
    partsOf: (id) => {
      const at = 2 * (id - FIRST_MERGE);
      return id >= FIRST_MERGE && id < startId ? [parts[at]!, parts[at + 1]!] : undefined;
    },
  };
}

let vocabulary: Vocabulary | undefined;

/** The vocabulary, read on first use in each thread. Throws when the file is missing or not CLIP's. */
export function loadVocabulary(): Vocabulary {
  vocabulary ??= parse(findFile());
  return vocabulary;
}
