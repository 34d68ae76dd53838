// A small binary file with rows of numbers and a blob of bytes: what the index of a shard and the list of a table are kept in.
//
//   8 bytes    "FCTABLE" and the version of the format
//   4 bytes    length of the header, little-endian
//   4 bytes    CRC-32 of the header
//   header     JSON; then zeros up to a multiple of 8
//   rows       float64, little-endian
//   blob       bytes
//
// Nothing is held in memory but the header: rows and blob are read where they are wanted, so a table of 10^9 rows costs no more than
// one of ten. Each row ends with a checksum of its own, since the file may be too large to be checked as a whole.
import { closeSync, fstatSync, openSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { partialName } from "../make-once.ts";

const magic = Buffer.from("FCTABLE\x01", "latin1");
const prefix = 16;
/** No header is larger; what names one is damaged. */
const longestHeader = 256 * 2 ** 20;

/** Where the sections of a file lie. */
export interface TableFile {
  readonly path: string;
  /** What the header holds beside the shape. */
  readonly header: Readonly<Record<string, unknown>>;
  readonly count: number;
  /** Numbers in a row, the checksum not counted. */
  readonly columns: number;
  readonly rowsAt: number;
  readonly blobAt: number;
  readonly size: number;
  /** Checksum of the header. */
  readonly check: number;
}

interface Contents {
  readonly header: Readonly<Record<string, unknown>>;
  readonly columns: number;
  /** [count, columns] */
  readonly rows: readonly number[];
  readonly blob: readonly Uint8Array[];
}

/** Writes the file whole or not at all: beside its place, then renamed. */
export function writeTableFile(path: string, { header, columns, rows, blob }: Contents): void {
  const count = rows.length / columns;
  const blobBytes = blob.reduce((sum, { length }) => sum + length, 0);
  const text = Buffer.from(JSON.stringify({ ...header, count, columns, blobBytes }));
  const start = Buffer.alloc(aligned(prefix + text.length));
  magic.copy(start);
  start.writeUInt32LE(text.length, 8);
  start.writeUInt32LE(crc32(text), 12);
  text.copy(start, prefix);
  const partial = partialName(path);
  const descriptor = openSync(partial, "w");
  try {
    writeFileSync(descriptor, start);
    writeFileSync(descriptor, rowBytes(rows, columns));
    for (const part of blob) writeAll(descriptor, part);
    closeSync(descriptor);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

function rowBytes(rows: readonly number[], columns: number): Buffer {
  const stride = columns + 1;
  const count = rows.length / columns;
  const bytes = Buffer.alloc(8 * count * stride);
  for (let row = 0; row < count; row++) {
    const at = 8 * row * stride;
    for (let column = 0; column < columns; column++)
      bytes.writeDoubleLE(rows[row * columns + column]!, at + 8 * column);
    bytes.writeDoubleLE(crc32(bytes.subarray(at, at + 8 * columns)), at + 8 * columns);
  }
  return bytes;
}

/** Reads the header; undefined when there is no such file, or it is not whole or of another format. */
export function openTableFile(path: string): TableFile | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return readHeader(path, { descriptor, size: fstatSync(descriptor).size });
  } finally {
    closeSync(descriptor);
  }
}

function readHeader(path: string, file: { descriptor: number; size: number }): TableFile | undefined {
  const start = Buffer.alloc(prefix);
  if (readSync(file.descriptor, start, 0, prefix, 0) < prefix || !start.subarray(0, 8).equals(magic)) return undefined;
  const length = start.readUInt32LE(8);
  if (length > Math.min(longestHeader, file.size - prefix)) return undefined;
  const text = Buffer.alloc(length);
  const check = start.readUInt32LE(12);
  if (readSync(file.descriptor, text, 0, length, prefix) < length || crc32(text) !== check) return undefined;
  const { count, columns, blobBytes, ...header } = JSON.parse(text.toString()) as Record<string, unknown> & Shape;
  const rowsAt = aligned(prefix + length);
  const blobAt = rowsAt + 8 * count * (columns + 1);
  const { size } = file;
  return blobAt + blobBytes === size ? { path, header, count, columns, rowsAt, blobAt, size, check } : undefined;
}

interface Shape {
  readonly count: number;
  readonly columns: number;
  readonly blobBytes: number;
}

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/** Reads rows and blob of one file, which stays open until `close`. Each thread has readers of its own. */
export class TableReader {
  readonly #file: TableFile;
  readonly #descriptor: number;
  readonly #row: Buffer;

  /** @throws when the file is another than the one that was opened. */
  constructor(file: TableFile) {
    this.#file = file;
    this.#row = Buffer.alloc(8 * (file.columns + 1));
    this.#descriptor = openSync(file.path, "r");
    const start = Buffer.alloc(prefix);
    readSync(this.#descriptor, start, 0, prefix, 0);
    // The header holds a hash of all that follows it.
    if (start.readUInt32LE(12) === file.check && fstatSync(this.#descriptor).size === file.size) return;
    closeSync(this.#descriptor);
    throw new Error(`${file.path} was changed while it was in use; open the data set again`);
  }

  /** The numbers of row `row`. */
  row(row: number): number[] {
    const { columns, rowsAt, count } = this.#file;
    if (!(Number.isInteger(row) && row >= 0 && row < count)) throw new RangeError(`there is no row ${row} of ${count}`);
    const bytes = this.#row;
    const read = readSync(this.#descriptor, bytes, 0, bytes.length, rowsAt + row * bytes.length);
    if (read < bytes.length || crc32(bytes.subarray(0, 8 * columns)) !== bytes.readDoubleLE(8 * columns))
      throw this.#damaged(`row ${row}`);
    return Array.from({ length: columns }, (_, column) => bytes.readDoubleLE(8 * column));
  }

  /** `length` bytes of the blob from `offset`. */
  blob(offset: number, length: number): Buffer {
    const { blobAt, size } = this.#file;
    if (!(offset >= 0 && length >= 0 && blobAt + offset + length <= size)) throw this.#damaged(`byte ${offset}`);
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#descriptor, bytes, 0, length, blobAt + offset) < length) throw this.#damaged(`byte ${offset}`);
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #damaged(where: string): Error {
    return new Error(`${this.#file.path} is damaged at ${where}: delete it, and it will be made anew`);
  }
}
