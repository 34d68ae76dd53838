// Files on this machine, or on what it has mounted.
import type { BigIntStats } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type FileInfo, type FilePart, type Storage, StorageError, type StreamOptions } from "./storage.ts";

const chunkBytes = 1024 * 1024;

export class LocalStorage implements Storage {
  async stat(location: string): Promise<FileInfo> {
    return explained(location, async () => infoOf(location, await stat(pathOf(location), { bigint: true })));
  }

  async read(location: string, { offset, length, version }: FilePart): Promise<Uint8Array> {
    return explained(location, () =>
      withFile(location, async (file) => {
        const info = infoOf(location, await file.stat({ bigint: true }));
        refuseOther(location, { expected: version, actual: info.version });
        const bytes = new Uint8Array(Math.max(0, Math.min(length, info.size - offset)));
        await fill(file, { bytes, offset, location });
        return bytes;
      }),
    );
  }

  async *stream(location: string, { version }: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const file = await explained(location, () => open(pathOf(location)));
    try {
      const info = await explained(location, async () => infoOf(location, await file.stat({ bigint: true })));
      refuseOther(location, { expected: version ?? info.version, actual: info.version });
      for (let offset = 0; offset < info.size; offset += chunkBytes) {
        const bytes = new Uint8Array(Math.min(chunkBytes, info.size - offset));
        await explained(location, () => fill(file, { bytes, offset, location }));
        yield bytes;
      }
    } finally {
      await file.close();
    }
  }

  async list(prefix: string): Promise<string[]> {
    const start = pathOf(prefix);
    const folder = start.endsWith("/") ? start : dirname(start);
    const entries = await explained(prefix, () => readdir(folder, { recursive: true, withFileTypes: true })).catch(
      (error: StorageError) => {
        if (error.kind === "not-found") return [];
        throw error;
      },
    );
    // Of "./a" and "a" the one that was asked for is given back.
    const base = start.endsWith("/") ? start : start.slice(0, start.lastIndexOf("/") + 1);
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => base + join(entry.parentPath, entry.name).slice(join(folder, "/").length))
      .filter((path) => path.startsWith(start));
    return paths.sort().map((path) => (isFileUrl(prefix) ? pathToFileURL(path).href : path));
  }

  async write(location: string, file: string): Promise<void> {
    const path = pathOf(location);
    const temporary = `${path}.partial-${process.pid}`;
    await explained(location, async () => {
      await mkdir(dirname(path), { recursive: true });
      try {
        await copy(file, temporary);
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    });
  }

  async remove(location: string): Promise<void> {
    await explained(location, () => rm(pathOf(location), { force: true }));
  }
}

const isFileUrl = (location: string): boolean => location.startsWith("file:");

function pathOf(location: string): string {
  return isFileUrl(location) ? fileURLToPath(location) : location;
}

function infoOf(location: string, found: BigIntStats): FileInfo {
  if (!found.isFile()) throw new StorageError("bad-answer", { location, problem: "is a folder or device, not a file" });
  return { size: Number(found.size), version: `${found.mtimeNs} ${found.size}`, ranges: true };
}

function refuseOther(location: string, { expected, actual }: { expected: string; actual: string }): void {
  if (expected !== actual) throw new StorageError("changed", { location, problem: "was changed since it was opened" });
}

/** Opens a local file to read it. Throws StorageError. */
export function openFile(path: string): Promise<FileHandle> {
  return explained(path, () => open(path));
}

async function withFile<T>(location: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(pathOf(location));
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function fill(
  file: FileHandle,
  { bytes, offset, location }: { bytes: Uint8Array; offset: number; location: string },
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) throw new StorageError("changed", { location, problem: "became shorter while it was read" });
    done += bytesRead;
  }
}

async function copy(from: string, to: string): Promise<void> {
  const [source, target] = [await openFile(from), await open(to, "w")];
  try {
    const bytes = new Uint8Array(chunkBytes);
    for (;;) {
      const { bytesRead } = await source.read(bytes);
      if (bytesRead === 0) break;
      await target.writeFile(bytes.subarray(0, bytesRead));
    }
    await target.sync();
  } finally {
    await source.close();
    await target.close();
  }
}

/** Turns an error of the file system into a StorageError. */
async function explained<T>(location: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new StorageError("not-found", { location, problem: "does not exist", cause: error });
    const kind = code === "EACCES" || code === "EPERM" ? "denied" : "unavailable";
    throw new StorageError(kind, { location, problem: message, cause: error });
  }
}
