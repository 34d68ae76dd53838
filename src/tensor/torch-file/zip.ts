// The zip format (PKWARE's APPNOTE 6.3), as far as torch.save writes it: entries that are not compressed, zip64 where needed.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";

interface ZipEntry {
  readonly size: number;
  /** Offset of its local header in the file. */
  readonly header: number;
  readonly crc: number;
  /** Neither compressed nor encrypted. */
  readonly plain: boolean;
}

const endBytes = 22;
const longestComment = 0xffff;
const locatorBytes = 20;
const end64Bytes = 56;
const centralBytes = 46;
const localBytes = 30;
const chunkBytes = 1024 * 1024;
/** What is read in one piece, the list of entries and the pickle, has some kilobytes, or megabytes for many thousand tensors. */
const longestRead = 2 ** 28;

/** A zip file that is open. What it holds is listed at once and read when asked for; messages begin with its path. */
export class ZipFile {
  readonly path: string;
  readonly size: number;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #file: number;
  readonly #checked = new Set<string>();
  /** torch.save can be told not to compute checksums, and then writes zeros. */
  readonly #hasChecksums: boolean;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "r");
    try {
      this.size = fstatSync(this.#file).size;
      this.entries = this.#list();
    } catch (error) {
      this.close();
      throw error;
    }
    this.#hasChecksums = [...this.entries.values()].some(({ crc }) => crc !== 0);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** All bytes of an entry. */
  read(name: string): Buffer {
    const { offset, size } = this.locate(name);
    return this.#bytes(offset, size);
  }

  /** Where the bytes of an entry lie in the file; its checksum has been found to hold. */
  locate(name: string): { offset: number; size: number } {
    const entry = this.entries.get(name);
    const where = `${this.path}: the entry ${JSON.stringify(name)}`;
    if (!entry) throw new Error(`${where} is missing`);
    if (!entry.plain) throw new Error(`${where} is compressed, which torch.save does not do`);
    const header = this.#bytes(entry.header, localBytes);
    if (header.readUInt32LE(0) !== 0x04034b50) throw new Error(`${where} has a damaged header`);
    const offset = entry.header + localBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (offset + entry.size > this.size) throw new Error(`${where} reaches past the end of the file`);
    const isKnown = this.#checked.has(name) || !this.#hasChecksums;
    if (!isKnown && this.#checksum(offset, entry.size) !== entry.crc)
      throw new Error(`${where} is damaged: its checksum differs`);
    this.#checked.add(name);
    return { offset, size: entry.size };
  }

  #checksum(offset: number, size: number): number {
    const chunk = Buffer.alloc(Math.min(chunkBytes, size));
    let found = 0;
    for (let done = 0; done < size; done += chunk.length) {
      const part = chunk.subarray(0, size - done);
      this.#fill(part, offset + done);
      found = crc32(part, found);
    }
    return found;
  }

  #list(): Map<string, ZipEntry> {
    const { count, bytes, offset } = this.#end();
    if (offset + bytes > this.size || count * centralBytes > bytes)
      throw new Error(`${this.path}: the list of its entries is damaged`);
    const directory = this.#bytes(offset, bytes);
    const entries = new Map<string, ZipEntry>();
    let position = 0;
    for (let i = 0; i < count; i++) {
      const parsed = parseCentral(directory.subarray(position));
      if (!parsed || entries.has(parsed.name)) throw new Error(`${this.path}: the list of its entries is damaged`);
      entries.set(parsed.name, parsed.entry);
      position += parsed.length;
    }
    return entries;
  }

  /** Where the list of entries lies: from the end record, or from that of zip64 before it. */
  #end(): { count: number; bytes: number; offset: number } {
    const start = Math.max(0, this.size - endBytes - longestComment - locatorBytes);
    const tail = this.#bytes(start, this.size - start);
    const end = tail
      .subarray(0, Math.max(0, tail.length - endBytes + 4))
      .lastIndexOf("PK\x05\x06", undefined, "latin1");
    if (end < 0) throw new Error(`${this.path}: is cut off, or no zip file: its end record is missing`);
    if (end >= locatorBytes && tail.readUInt32LE(end - locatorBytes) === 0x07064b50) {
      const record = this.#bytes(readSize(tail, end - locatorBytes + 8), end64Bytes);
      if (record.readUInt32LE(0) !== 0x06064b50) throw new Error(`${this.path}: its zip64 end record is damaged`);
      return { count: readSize(record, 32), bytes: readSize(record, 40), offset: readSize(record, 48) };
    }
    return {
      count: tail.readUInt16LE(end + 10),
      bytes: tail.readUInt32LE(end + 12),
      offset: tail.readUInt32LE(end + 16),
    };
  }

  #bytes(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw new Error(`${this.path}: is cut off at byte ${this.size}`);
    if (length > longestRead)
      throw new Error(`${this.path}: ${length} bytes at byte ${offset} are too many to be true`);
    const buffer = Buffer.alloc(length);
    this.#fill(buffer, offset);
    return buffer;
  }

  #fill(buffer: Buffer, offset: number): void {
    if (readSync(this.#file, buffer, 0, buffer.length, offset) !== buffer.length)
      throw new Error(`${this.path}: became shorter while it was read`);
  }
}

/** A 64-bit number; where it is no exact one, it lies past the end of any file all the same. */
function readSize(bytes: Buffer, offset: number): number {
  return Number(bytes.readBigUInt64LE(offset));
}

/** One entry of the list; undefined when it is damaged. */
function parseCentral(bytes: Buffer): { name: string; entry: ZipEntry; length: number } | undefined {
  if (bytes.length < centralBytes || bytes.readUInt32LE(0) !== 0x02014b50) return undefined;
  const nameEnd = centralBytes + bytes.readUInt16LE(28);
  const extraEnd = nameEnd + bytes.readUInt16LE(30);
  const length = extraEnd + bytes.readUInt16LE(32);
  if (length > bytes.length) return undefined;
  const wide = wideSizes(
    bytes.subarray(nameEnd, extraEnd),
    [24, 20, 42].map((at) => bytes.readUInt32LE(at)),
  );
  if (!wide) return undefined;
  const [size, compressed, header] = wide as [number, number, number];
  const isEncrypted = (bytes.readUInt16LE(8) & 1) !== 0;
  const plain = bytes.readUInt16LE(10) === 0 && !isEncrypted && size === compressed;
  return {
    name: bytes.toString("utf8", centralBytes, nameEnd),
    entry: { size, header, crc: bytes.readUInt32LE(16), plain },
    length,
  };
}

/** Those of the numbers that do not fit into 32 bits stand in the extra field of zip64 (0x0001), in their order. */
function wideSizes(extra: Buffer, narrow: readonly number[]): number[] | undefined {
  const wide = narrow.filter((size) => size === 0xffffffff).length * 8;
  if (wide === 0) return [...narrow];
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    if (field.length < wide) return undefined;
    let position = 0;
    return narrow.map((size) => (size === 0xffffffff ? readSize(field, 8 * position++) : size));
  }
  return undefined;
}
