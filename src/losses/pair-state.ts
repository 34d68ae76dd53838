// What a loss keeps of every pair of the data set: columns of float32, one number for each pair.
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { fromFile, type Tensor, zeros } from "../tensor/index.ts";

/**
 * Columns of a table with one row for each pair of the data set, all 0 at first; so 0 has to mean "never seen". In a file the table is
 * mapped into memory: making it is instant, it takes disk and memory only for the rows that were written, and all processes of
 * a machine share it.
 */
export class PairState {
  /** Pairs in the data set. */
  readonly size: number;
  readonly #columns: ReadonlyMap<string, Tensor>;

  private constructor(names: readonly string[], { size, table }: { size: number; table: Tensor }) {
    this.size = size;
    this.#columns = new Map(names.map((name, i) => [name, table.narrow(0, i * size, size).keep()]));
    table.free();
  }

  static inMemory(names: readonly string[], size: number): PairState {
    return new PairState(names, { size, table: zeros([names.length * size]) });
  }

  /** Maps the file, which is made or brought to its size when needed; what it holds is kept. */
  static inFile(names: readonly string[], { size, path }: { size: number; path: string }): PairState {
    const file = openSync(path, "a");
    try {
      ftruncateSync(file, names.length * size * Float32Array.BYTES_PER_ELEMENT);
    } finally {
      closeSync(file);
    }
    return new PairState(names, {
      size,
      table: fromFile(path, { shared: true, size: names.length * size, dtype: "float32" }),
    });
  }

  /** The columns' names. */
  get names(): readonly string[] {
    return [...this.#columns.keys()];
  }

  /** [size]; writing to it changes the table. */
  column(name: string): Tensor {
    const column = this.#columns.get(name);
    if (column === undefined)
      throw new Error(`there is no column ${name}; expected one of ${[...this.#columns.keys()].join(", ")}`);
    return column;
  }

  has(name: string): boolean {
    return this.#columns.has(name);
  }

  /** Lets go of the memory; the file stays. */
  close(): void {
    for (const column of this.#columns.values()) column.free();
  }
}
