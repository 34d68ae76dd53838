// The storage that a location lies in. Each thread has its own; there is nothing to hand over to another.
import { HttpStorage } from "./http.ts";
import { LocalStorage } from "./local.ts";
import { S3Storage } from "./s3/storage.ts";
import { type Storage, StorageError } from "./storage.ts";

export {
  type FileInfo,
  type FilePart,
  type Storage,
  StorageError,
  type StorageErrorKind,
  type StreamOptions,
} from "./storage.ts";

/** One of each kind for a thread: so credentials are found once. */
const made = new Map<string, Storage>();

const makers: Readonly<Record<string, () => Storage>> = {
  file: () => new LocalStorage(),
  http: () => new HttpStorage(),
  https: () => new HttpStorage(),
  s3: () => new S3Storage(),
};

/**
 * The storage of a local path (`file:` too), `http(s)://...` or `s3://bucket/key`.
 * @throws StorageError for another scheme.
 */
export function storageOf(location: string): Storage {
  const scheme = schemeOf(location);
  const make = makers[scheme];
  if (make === undefined) {
    const problem = `"${scheme}:" is not supported; a local path, http://, https:// or s3:// is expected`;
    throw new StorageError("bad-answer", { location, problem });
  }
  const storage = made.get(scheme) ?? make();
  made.set(scheme, storage);
  return storage;
}

/** Whether a location lies on another machine. */
export function isRemote(location: string): boolean {
  return schemeOf(location) !== "file";
}

function schemeOf(location: string): string {
  return (/^([a-z][a-z0-9+.-]*):/i.exec(location)?.[1] ?? "file").toLowerCase();
}
