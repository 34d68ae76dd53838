// Samples whose pictures are files of their own, named by a table or found in a folder.
import { readFileSync } from "node:fs";
import { extname, resolve } from "node:path";
import { type FaultCause, SampleError } from "../faults.ts";
import { type TableFile, TableReader } from "../index/table-file.ts";
import type { SampleFiles, SegmentReader } from "./segment.ts";

export interface List {
  readonly kind: "list";
  /** File name of the table or folder, for messages. */
  readonly name: string;
  /** What the pictures' paths start from. */
  readonly base: string;
  readonly table: TableFile;
  readonly count: number;
}

/** Columns of a list: where the record lies in the blob. */
export const listColumns = 2;

/** What the list holds of a sample, as JSON. */
export interface ListRecord {
  /** Where it stands in the table. */
  readonly key: string;
  /** Path of the picture file. */
  readonly picture: string;
  readonly captions: readonly string[];
  readonly more: Readonly<Record<string, unknown>>;
}

export class ListReader implements SegmentReader {
  readonly #list: List;
  readonly #table: TableReader;

  constructor(list: List) {
    this.#list = list;
    this.#table = new TableReader(list.table);
  }

  key(place: number): string {
    return this.#record(place).key;
  }

  extension(place: number): string {
    return extname(this.#record(place).picture).slice(1).toLowerCase();
  }

  async sample(place: number): Promise<SampleFiles> {
    const record = this.#record(place);
    return { image: this.#picture(record), captions: () => record.captions };
  }

  async json(place: number): Promise<unknown> {
    return this.#record(place).more;
  }

  pictureError(place: number, problem: string): SampleError {
    return this.#error(this.#record(place), { cause: "bad-picture", problem });
  }

  close(): void {
    this.#table.close();
  }

  #picture(record: ListRecord): Buffer {
    let bytes: Buffer;
    try {
      bytes = readFileSync(resolve(this.#list.base, record.picture));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const problem = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
      throw this.#error(record, { cause: "no-picture", problem });
    }
    if (bytes.length === 0) throw this.#error(record, { cause: "no-picture", problem: "is empty" });
    return bytes;
  }

  #error({ key, picture }: ListRecord, { cause, problem }: { cause: FaultCause; problem: string }): SampleError {
    return new SampleError({ cause, shard: this.#list.name, key, message: `${key}: ${picture} ${problem}` });
  }

  #record(place: number): ListRecord {
    const [offset, length] = this.#table.row(place);
    return JSON.parse(this.#table.blob(offset!, length!).toString()) as ListRecord;
  }
}
