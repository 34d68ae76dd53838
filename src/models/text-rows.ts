// Texts of a batch as rows one after the other, each up to its end: what lies behind it changes nothing, and is not computed.
import { Sequences, type TokenPick } from "../nn/index.ts";
import { arange, fromBuffer, hasFusedAttention, type Tensor, tensor } from "../tensor/index.ts";

/** Rows are filled up to a multiple: few different shapes occur, and memory and kernels are used again. */
const rowMultiple = 64;

/** Where the rows of a batch's texts are. */
export class TextRows {
  /** Columns that the texts end in, of `length`. */
  readonly ends: readonly number[];
  readonly length: number;
  /** All rows: those of the texts, and behind them sequences that fill up, whose ends no one reads. */
  readonly sequences: Sequences;
  readonly #texts: Sequences;
  readonly #places: BigInt64Array;
  readonly #columns: BigInt64Array;

  constructor(ends: readonly number[], length: number) {
    this.ends = ends;
    this.length = length;
    const lengths = ends.map((end) => end + 1);
    this.#texts = new Sequences(lengths);
    const rest = -this.#texts.starts.at(-1)! & (rowMultiple - 1);
    const filling = Array.from({ length: Math.ceil(rest / length) }, (_, i) => Math.min(length, rest - i * length));
    this.sequences = new Sequences([...lengths, ...filling]);
    this.#places = this.sequences.eachRow((text, column) => (text < ends.length ? text * length + column : 0));
    this.#columns = this.sequences.eachRow((_, column) => column);
  }

  /** The ids of all rows, from those of the texts, [B, length]. */
  ids(tokens: Tensor): Tensor {
    return tokens.flatten().indexSelect(0, fromBuffer(this.#places));
  }

  /** The column of each row, int64. */
  columns(): Tensor {
    return fromBuffer(this.#columns);
  }

  /** The last token of each text. */
  lastTokens(): TokenPick {
    const texts = this.#texts;
    const last = tensor(
      texts.starts.slice(1).map((end) => end - 1),
      { dtype: "int64" },
    );
    const [count, longest] = [texts.lengths.length, texts.longest];
    const mask = arange(longest).lt(tensor(texts.lengths).unsqueeze(1));
    return {
      from: (x) => x.indexSelect(0, last).unsqueeze(1),
      spread: (x) => texts.filled(x.narrow(0, 0, texts.starts.at(-1)!)),
      mask: mask.view([count, 1, 1, longest]),
    };
  }
}

/** All blocks of a tower ask for the same. */
let latest: TextRows | undefined;

/**
 * Of token ids [B, tokens] (int32 or int64); a text ends at its highest id. None where all end in the last column, and where attention has no
 * kernel for sequences of different lengths: on other devices than a CPU, and on CPUs without ours.
 */
export function textRows(tokens: Tensor): TextRows | undefined {
  if (tokens.device !== "cpu" || !hasFusedAttention()) return;
  const length = tokens.size(1);
  const ends = tokens.argmax({ dim: 1 }).toArray() as number[];
  if (ends.every((end) => end === length - 1)) return;
  const isLatest = latest?.length === length && latest.ends.length === ends.length;
  if (!isLatest || latest!.ends.some((end, i) => end !== ends[i])) latest = new TextRows(ends, length);
  return latest;
}
