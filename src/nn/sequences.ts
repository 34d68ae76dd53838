// Sequences of different lengths: as rows one after the other, and filled up to one length.
import { fromBuffer, type Tensor, zeros } from "../tensor/index.ts";

export class Sequences {
  /** The first row of each sequence, and at last the number of rows. */
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly longest: number;
  /** Of each row, where it is among the rows of sequences that are filled up. */
  readonly #places: BigInt64Array;

  constructor(lengths: readonly number[]) {
    this.lengths = lengths;
    this.longest = lengths.reduce((longest, length) => Math.max(longest, length), 0);
    const starts = [0];
    for (const length of lengths) starts.push(starts.at(-1)! + length);
    this.starts = starts;
    this.#places = this.eachRow((sequence, column) => sequence * this.longest + column);
  }

  /** A whole number for each row, from the number of its sequence and its column there. */
  eachRow(value: (sequence: number, column: number) => number): BigInt64Array {
    const values = new BigInt64Array(this.starts.at(-1)!);
    for (const [sequence, length] of this.lengths.entries())
      for (let column = 0; column < length; column++)
        values[this.starts[sequence]! + column] = BigInt(value(sequence, column));
    return values;
  }

  /** Rows [all, ...] -> [sequences, longest, ...], with zeros behind the end of each. */
  filled(rows: Tensor): Tensor {
    const [, ...rest] = rows.shape;
    const count = this.lengths.length;
    const target = zeros([count * this.longest, ...rest], { dtype: rows.dtype });
    return target.indexCopy_(0, fromBuffer(this.#places), rows).view([count, this.longest, ...rest]);
  }

  /** The way back. */
  taken(filled: Tensor): Tensor {
    return filled.flatten({ endDim: 1 }).indexSelect(0, fromBuffer(this.#places));
  }
}
