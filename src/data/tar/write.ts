import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** One regular file of an archive. */
export interface TarEntry {
  name: string;
  data: Uint8Array;
}

const block = 512;
const largestSize = 8 ** 11 - 1;

/**
 * Writes a POSIX ustar archive. The same entries give the same bytes: owner, group and time are zero, the mode is 0644.
 *
 * @throws when a name does not fit (100 bytes, or 155 + 100 split at a slash) or the disk refuses.
 */
export async function writeTar(path: string, entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): Promise<void> {
  await pipeline(Readable.from(tarChunks(entries)), createWriteStream(path));
}

async function* tarChunks(entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for await (const { name, data } of entries) {
    yield header(name, data.length);
    yield data;
    const rest = data.length % block;
    if (rest > 0) yield new Uint8Array(block - rest);
  }
  yield new Uint8Array(2 * block);
}

/** Field positions as in POSIX.1-1988 "ustar interchange format". */
function header(name: string, size: number): Uint8Array {
  if (size > largestSize) throw new Error(`${name}: a tar entry holds at most ${largestSize} bytes, this has ${size}`);
  const bytes = Buffer.alloc(block);
  const { prefix, last } = splitName(name);
  last.copy(bytes, 0);
  prefix.copy(bytes, 345);
  bytes.write(octal(0o644, 8), 100, "latin1");
  bytes.write(octal(0, 8), 108, "latin1");
  bytes.write(octal(0, 8), 116, "latin1");
  bytes.write(octal(size, 12), 124, "latin1");
  bytes.write(octal(0, 12), 136, "latin1");
  bytes.write("0", 156, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  // The checksum is taken with its own field filled with spaces.
  bytes.fill(" ", 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148, "latin1");
  return bytes;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\x00`;
}

function splitName(name: string): { prefix: Buffer; last: Buffer } {
  const bytes = Buffer.from(name);
  if (bytes.length > 0 && bytes.length <= 100) return { prefix: Buffer.alloc(0), last: bytes };
  for (let slash = bytes.indexOf("/"); slash > 0 && slash <= 155; slash = bytes.indexOf("/", slash + 1)) {
    const last = bytes.subarray(slash + 1);
    if (last.length > 0 && last.length <= 100) return { prefix: bytes.subarray(0, slash), last };
  }
  throw new Error(`a tar name needs 1 to 100 bytes (155 more before a slash), got ${bytes.length}: "${name}"`);
}
