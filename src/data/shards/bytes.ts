// The bytes of a shard, wherever it lies.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { isRemote, storageOf } from "../storage/index.ts";
import type { ByteSource } from "../tar/read.ts";
import { copyOf } from "./copies.ts";
import { type Cache, localVersion, type ReadableShard, type ShardFile } from "./file.ts";
import { streamedBytes } from "./streamed.ts";
import { type Packing, sniffPacking } from "./unpack.ts";

/** How the shard is compressed, by its first bytes. */
export async function packingOf(file: ShardFile): Promise<Packing> {
  const { location, version, ranges } = file;
  if (!isRemote(location)) return sniffPacking(await readOnce(file, 4));
  if (ranges) return sniffPacking(await storageOf(location).read(location, { offset: 0, length: 4, version }));
  for await (const chunk of storageOf(location).stream(location)) return sniffPacking(chunk);
  return "none";
}

async function readOnce(file: ShardFile, length: number): Promise<Buffer> {
  const bytes = new LocalBytes(file.location, file);
  try {
    return await bytes.read(0, length);
  } finally {
    bytes.close();
  }
}

/** Bytes of a shard, at any offset. */
export interface ShardBytes extends ByteSource {
  close(): void;
}

export async function openShard(shard: ReadableShard, cache: Cache): Promise<ShardBytes> {
  if (shard.copied) return openCopy(shard, cache);
  return isRemote(shard.location) ? remoteBytes(shard) : new LocalBytes(shard.location, shard);
}

/** Where copies have little room, another thread may remove this one before it is opened. */
async function openCopy(shard: ReadableShard, cache: Cache): Promise<ShardBytes> {
  for (;;) {
    try {
      return new LocalBytes(await copyOf(shard, cache));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** For one pass over the headers: a remote shard comes in one stream, since a request for each header would take longer. */
export async function scanShard(shard: ReadableShard, cache: Cache): Promise<ShardBytes> {
  const { location, bytes } = shard;
  if (shard.copied || !isRemote(location)) return openShard(shard, cache);
  return streamedBytes(storageOf(location).stream(location, { version: shard.version }), bytes);
}

function remoteBytes({ location, bytes, version }: ShardFile): ShardBytes {
  const storage = storageOf(location);
  return {
    size: bytes,
    read: (offset, length) => storage.read(location, { offset, length, version }),
    close: () => {},
  };
}

/** A file of this machine. Reading blocks the thread: that is faster than to wait for another one to do it. */
class LocalBytes implements ShardBytes {
  readonly size: number;
  readonly #path: string;
  readonly #descriptor: number;
  readonly #modified: number;

  /** @throws when the file is another than it was. */
  constructor(path: string, expected?: Pick<ShardFile, "bytes" | "version">) {
    this.#path = path;
    this.#descriptor = openSync(path, "r");
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    this.size = size;
    this.#modified = mtimeMs;
    if (!expected || (expected.bytes === size && expected.version === localVersion(mtimeMs))) return;
    this.close();
    throw this.#changed();
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    const read = readSync(this.#descriptor, buffer, 0, length, offset);
    // Whoever writes into the file while it is read would give wrong samples without a word.
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    if (size !== this.size || mtimeMs !== this.#modified) throw this.#changed();
    return buffer.subarray(0, read);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #changed(): Error {
    return new Error(`${basename(this.#path)} was changed while it was in use; open the data set again`);
  }
}
