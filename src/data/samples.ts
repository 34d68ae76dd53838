import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type FaultCause, SampleError } from "./faults.ts";
import { column, columnCount, imageExtensions, type ShardIndex } from "./index.ts";

/** What every thread needs to know of a data set to read its samples; all large parts lie in shared memory. */
export interface SampleTable {
  readonly shards: readonly ShardIndex[];
  /** The id of each shard's first sample, and behind them the number of samples. */
  readonly starts: readonly number[];
  readonly captionKey: string | undefined;
}

/** Files kept open by one reader. */
const mostOpen = 64;

/** Reads the members of samples by id, at once and on the calling thread. Each thread has a reader of its own. */
export class SampleReader {
  readonly #table: SampleTable;
  /** Descriptors by shard, the longest unused first. */
  readonly #open = new Map<ShardIndex, number>();

  constructor(table: SampleTable) {
    this.#table = table;
  }

  key(id: number): string {
    const { shard, row } = this.#find(id);
    const start = row === 0 ? 0 : shard.rows[(row - 1) * columnCount + column.keyEnd]!;
    return Buffer.from(shard.keys.slice(start, shard.rows[row * columnCount + column.keyEnd]!)).toString();
  }

  shardName(id: number): string {
    return this.#find(id).shard.name;
  }

  extension(id: number): string {
    return imageExtensions[this.#number(id, column.extension)]!;
  }

  /** The bytes of the picture file. */
  image(id: number): Buffer {
    return this.#bytes(id, { offset: column.imageOffset, size: column.imageSize, extension: this.extension(id) });
  }

  /** The caption, from the .txt or the data set's key of the .json. */
  caption(id: number): string {
    const { captionKey } = this.#table;
    const text = captionKey === undefined ? this.#text(id) : this.#captionFromJson(id, captionKey);
    if (text.trim() === "") throw this.error(id, "no-caption", `the caption of ${this.key(id)} is empty`);
    return text;
  }

  /** The contents of the .json; undefined when the sample has none. */
  json(id: number): unknown {
    if (this.#number(id, column.jsonSize) === 0) return undefined;
    const bytes = this.#bytes(id, { offset: column.jsonOffset, size: column.jsonSize, extension: "json" });
    try {
      return JSON.parse(this.#decode(id, bytes, "json"));
    } catch (error) {
      if (error instanceof SampleError) throw error;
      throw this.error(id, "bad-caption", `${this.key(id)}.json is not valid JSON`);
    }
  }

  /** The error that says what is wrong with a sample. */
  error(id: number, cause: FaultCause, detail: string): SampleError {
    const shard = this.shardName(id);
    return new SampleError({ cause, shard, key: this.key(id), message: `${shard}: ${detail}` });
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #text(id: number): string {
    return this.#decode(
      id,
      this.#bytes(id, { offset: column.textOffset, size: column.textSize, extension: "txt" }),
      "txt",
    );
  }

  #captionFromJson(id: number, captionKey: string): string {
    const json = this.json(id);
    const caption =
      json !== null && typeof json === "object" ? (json as Record<string, unknown>)[captionKey] : undefined;
    if (typeof caption === "string") return caption;
    const found = caption === undefined ? "is absent" : "is not a string";
    throw this.error(id, "no-caption", `key "${captionKey}" of ${this.key(id)}.json ${found}`);
  }

  #decode(id: number, bytes: Buffer, extension: string): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw this.error(id, "bad-caption", `${this.key(id)}.${extension} is not UTF-8`);
    }
  }

  #bytes(id: number, member: { offset: number; size: number; extension: string }): Buffer {
    const { shard } = this.#find(id);
    const offset = this.#number(id, member.offset);
    const buffer = Buffer.allocUnsafe(this.#number(id, member.size));
    const read = readSync(this.#descriptor(shard), buffer, 0, buffer.length, offset);
    if (read === buffer.length) return buffer;
    throw this.error(id, "tar-cut", `${this.key(id)}.${member.extension} is cut off at byte ${offset + read}`);
  }

  #number(id: number, index: number): number {
    const { shard, row } = this.#find(id);
    return shard.rows[row * columnCount + index]!;
  }

  #find(id: number): { shard: ShardIndex; row: number } {
    const { shards, starts } = this.#table;
    const size = starts.at(-1)!;
    if (!(Number.isInteger(id) && id >= 0 && id < size)) {
      throw new RangeError(`there is no sample ${id}: the data set holds ids 0 to ${size - 1}`);
    }
    let low = 0;
    let high = shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= id) low = middle;
      else high = middle - 1;
    }
    return { shard: shards[low]!, row: id - starts[low]! };
  }

  #descriptor(shard: ShardIndex): number {
    const open = this.#open.get(shard);
    this.#open.delete(shard);
    const descriptor = open ?? openUnchanged(shard);
    this.#open.set(shard, descriptor);
    if (this.#open.size > mostOpen) {
      const [oldest, unused] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      closeSync(unused);
    }
    return descriptor;
  }
}

/** A shard that was changed since it was indexed would give wrong samples without a word. */
function openUnchanged(shard: ShardIndex): number {
  const descriptor = openSync(shard.path, "r");
  const { size, mtimeMs } = fstatSync(descriptor);
  if (size === shard.bytes && mtimeMs === shard.modified) return descriptor;
  closeSync(descriptor);
  throw new Error(`${shard.name} was changed while it was in use; open the data set again`);
}
