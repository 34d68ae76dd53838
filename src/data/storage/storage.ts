// Files that lie on a disk, behind HTTP(S) or in S3, read and written the same way.

/** What is known of a file before it is read. */
export interface FileInfo {
  /** Bytes. */
  readonly size: number;
  /**
   * Another text when the contents are others: an ETag, or else when the file was last changed; with its size. To be compared and
   * handed back, not to be read.
   */
  readonly version: string;
  /** Whether any part can be read by itself. Where not, `read` still answers, but all that lies before the part is sent too. */
  readonly ranges: boolean;
}

/** A part of a file. */
export interface FilePart {
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** What `stat` told. */
  readonly version: string;
}

export interface StreamOptions {
  /** What `stat` told; without it, the stream is of the file as it is now. */
  readonly version?: string;
}

/** A location is a path, `file:///path`, `http(s)://host/path` or `s3://bucket/key`. All methods throw StorageError. */
export interface Storage {
  stat(location: string): Promise<FileInfo>;
  /** `length` bytes from `offset` of the file as it was when `version` was told; fewer only where it ends. */
  read(location: string, part: FilePart): Promise<Uint8Array>;
  /**
   * The whole file in order, from the start. Where it breaks it goes on, as long as the file is the same version: what was handed over
   * is not handed over again, and a stream that ends without an error was whole.
   */
  stream(location: string, options?: StreamOptions): AsyncIterable<Uint8Array>;
  /** Locations of the files that begin with `prefix`, sorted. Not for HTTP. */
  list(prefix: string): Promise<string[]>;
  /** Writes a copy of the local `file`: whole or not at all. Not for HTTP. */
  write(location: string, file: string): Promise<void>;
  /** Removes a file; that there is none is no error. Not for HTTP. */
  remove(location: string): Promise<void>;
}

/** What stands in the way, for code; the message says it in words. */
export type StorageErrorKind =
  /** There is no such file or bucket. */
  | "not-found"
  /** It may not be read or written: wrong, expired or missing credentials, or no right to do so. */
  | "denied"
  /** The file is not the one any more that the version was told of. */
  | "changed"
  /** The server could not be reached, or failed, as often as it was tried. */
  | "unavailable"
  /** What came is not what was asked for. */
  | "bad-answer";

/** Its message is one sentence that names the location, without what is secret in it. It keeps its kind when it is sent to another thread as fields. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly kind: StorageErrorKind;
  /** Without user, password and query. */
  readonly location: string;

  /** `problem` is what came; the location is put before it. */
  constructor(
    kind: StorageErrorKind,
    { location, problem, cause }: { location: string; problem: string; cause?: unknown },
  ) {
    const shown = shownLocation(location);
    super(`${shown}: ${problem}`, { cause });
    this.kind = kind;
    this.location = shown;
  }
}

/** A location as it may be printed: of a URL without user and password, and without its query, which may be signed. */
function shownLocation(location: string): string {
  if (!/^https?:/i.test(location)) return location;
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (url === undefined) return location.replace(/\?.*/s, "?…").replace(/\/\/[^/]*@/, "//");
  return `${url.origin}${url.pathname}${url.search === "" ? "" : "?…"}`;
}
