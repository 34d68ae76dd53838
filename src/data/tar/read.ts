import { blockSize, hasMagic, isZero, parseHeader, parsePax, parseText, type TarHeader } from "./header.ts";

/** Bytes that can be read at any offset. */
export interface ByteSource {
  readonly size: number;
  /** `length` bytes from `offset`, fewer only where the source ends. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A regular file in a tar: where its bytes lie. */
export interface TarEntry {
  readonly kind: "entry";
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Something wrong with a tar. */
export interface TarProblem {
  readonly kind: "problem";
  readonly cause: "tar-cut" | "tar-header";
  /** The entry that is lost by it, when its name is known. */
  readonly name: string | undefined;
  readonly message: string;
}

/** One read serves all headers in this many bytes. */
const windowSize = 64 * 1024;
/** A name or pax header longer than this is not believed. */
const longestMeta = 1024 * 1024;
/** Tar pads its end with zeros, by default to 10,240 bytes; more zeros than this are a file that was never filled. */
const longestPadding = 1024 * 1024;

/**
 * The regular files of a tar, by their headers alone: contents are jumped over.
 *
 * Nothing is handed over that is not there in full. Behind a damaged header the search goes on at the next block that is a header.
 * Folders, links and devices are passed over, as WebDataset does.
 */
export async function* scanTar(source: ByteSource): AsyncGenerator<TarEntry | TarProblem> {
  const window = new Window(source);
  let meta: Meta = {};
  let offset = 0;
  while (offset < source.size) {
    const block = await window.bytes(offset, blockSize);
    if (block.length < blockSize) {
      yield cut(undefined, `is cut off at byte ${source.size}, inside a header`);
      return;
    }
    if (isZero(block)) {
      if (source.size - offset > longestPadding) yield cut(undefined, unfilled(offset, source.size));
      return;
    }
    const header = parseHeader(block);
    if (!header) {
      yield damaged(offset, block);
      if (offset === 0) return;
      meta = {};
      offset = await nextHeader(window, offset + blockSize, source.size);
      continue;
    }
    const start = offset + blockSize;
    const size = isMeta(header.type) ? header.size : (meta.size ?? header.size);
    if (start + size > source.size) {
      const name = meta.name ?? header.name;
      yield cut(name, `${name} is cut off at byte ${source.size}`);
      return;
    }
    offset = start + Math.ceil(size / blockSize) * blockSize;
    if (isMeta(header.type)) {
      const read = size <= longestMeta ? readMeta(header.type, await window.bytes(start, size), meta) : undefined;
      if (!read) yield problem("tar-header", undefined, `the ${header.type} header at byte ${start} is damaged`);
      meta = read ?? {};
      continue;
    }
    const entry = regularFile(header, meta, { start, size });
    if (entry) yield entry;
    meta = {};
  }
  // GNU tar and Python's tarfile both write the end mark; without it nobody can say whether more was to come.
  yield cut(undefined, source.size === 0 ? "is empty" : `ends at byte ${source.size} without an end mark`);
}

/** What an extension header says about the entry behind it. */
interface Meta {
  name?: string;
  size?: number;
  sparse?: boolean;
}

function isMeta(type: string): boolean {
  return type === "x" || type === "g" || type === "L" || type === "K";
}

function readMeta(type: string, bytes: Uint8Array, meta: Meta): Meta | undefined {
  if (type === "L") return { ...meta, name: parseText(bytes) };
  // A long link target, and pax records for the whole archive (comments, times), say nothing about where a file lies.
  if (type !== "x") return meta;
  const records = parsePax(bytes);
  if (!records) return undefined;
  const name = records.get("path");
  const size = records.has("size") ? Number(records.get("size")) : undefined;
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) return undefined;
  return {
    ...meta,
    ...(name !== undefined && { name }),
    ...(size !== undefined && { size }),
    ...(records.has("GNU.sparse.major") && { sparse: true }),
  };
}

function regularFile(
  header: TarHeader,
  meta: Meta,
  extent: { start: number; size: number },
): TarEntry | TarProblem | undefined {
  const name = meta.name ?? header.name;
  if (header.type === "S" || meta.sparse) {
    return problem("tar-header", name, `${name} is a sparse file, which is not supported`);
  }
  // "7" is a contiguous file, which POSIX says to treat as a regular one.
  if (header.type !== "0" && header.type !== "7") return undefined;
  return { kind: "entry", name, offset: extent.start, size: extent.size };
}

async function nextHeader(window: Window, from: number, end: number): Promise<number> {
  for (let offset = from; offset + blockSize <= end; offset += blockSize) {
    const block = await window.bytes(offset, blockSize);
    if (hasMagic(block) && parseHeader(block)) return offset;
  }
  return end;
}

function damaged(offset: number, block: Uint8Array): TarProblem {
  if (offset > 0) return problem("tar-header", undefined, `the header at byte ${offset} is damaged`);
  const gzip = block[0] === 0x1f && block[1] === 0x8b;
  return problem(
    "tar-header",
    undefined,
    gzip ? "is compressed with gzip; a plain tar is expected" : "is not a tar file",
  );
}

function unfilled(offset: number, size: number): string {
  return `ends at byte ${offset} of ${size}: the rest was to be padding, but is too long for that`;
}

function cut(name: string | undefined, message: string): TarProblem {
  return problem("tar-cut", name, message);
}

function problem(cause: TarProblem["cause"], name: string | undefined, message: string): TarProblem {
  return { kind: "problem", cause, name, message };
}

/** Reads ahead, so that small entries do not cost a read each. */
class Window {
  readonly #source: ByteSource;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async bytes(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#start || offset + length > this.#start + this.#bytes.length) {
      this.#bytes = await this.#source.read(offset, Math.max(length, windowSize));
      this.#start = offset;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }
}
