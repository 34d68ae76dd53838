// A file that is hashed as it is written, so that nobody has to read it again.
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** The most that is put at once: so small that it is still in the core's cache when it is hashed. */
export const partBytes: number = 1024 * 1024;
/** How much is written before the disk is told to begin with it; then little is left to wait for at the end. */
const bytesUntilSync = 128 * 1024 * 1024;

/** Takes bytes in their order. Threads of Node's pool write one part and sync earlier ones while the next is filled and hashed. */
export class HashedFile {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  #filling = new Uint8Array(partBytes);
  #written = new Uint8Array(partBytes);
  #used = 0;
  #unsynced = 0;
  #writing = Promise.resolve();
  #syncing = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The next so many bytes, at most `partBytes`; `fill` sets all of them. */
  async put(bytes: number, fill: (target: Uint8Array) => void): Promise<void> {
    if (this.#used + bytes > partBytes) await this.#pass();
    fill(this.#filling.subarray(this.#used, this.#used + bytes));
    this.#used += bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += partBytes) {
      const part = bytes.subarray(start, start + partBytes);
      await this.put(part.length, (target) => target.set(part));
    }
  }

  /** Waits until all is on the disk, and gives the SHA-256 in hexadecimal. */
  async finish(): Promise<string> {
    await this.#pass();
    await this.#writing;
    await this.#syncing;
    await this.#file.sync();
    return this.#hash.digest("hex");
  }

  /** Hands on what has been put, once what was handed on before is written. */
  async #pass(): Promise<void> {
    await this.#writing;
    const part = this.#filling.subarray(0, this.#used);
    [this.#filling, this.#written, this.#used] = [this.#written, this.#filling, 0];
    this.#writing = awaitedLater(writeWhole(this.#file, part));
    this.#hash.update(part);
    this.#unsynced += part.length;
    if (this.#unsynced < bytesUntilSync) return;
    this.#unsynced = 0;
    this.#syncing = awaitedLater(this.#syncing.then(() => this.#file.datasync()));
  }
}

/**
 * Writes a new file, or an old one anew, and waits until it is on the disk. Returns its SHA-256 in hexadecimal. When it fails, what has
 * been written stays.
 */
export async function writeHashed(path: string, fill: (file: HashedFile) => Promise<void>): Promise<string> {
  const handle = await open(path, "w");
  try {
    const file = new HashedFile(handle);
    await fill(file);
    return await file.finish();
  } finally {
    await handle.close(); // waits for what is still under way
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) written += (await file.write(bytes, written)).bytesWritten;
}

/** A failure in the meantime is not one that nobody sees. */
function awaitedLater(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
