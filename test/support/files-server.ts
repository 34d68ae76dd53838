// A plain HTTP server of files in memory, with as much of RFC 9110 as downloads need.
import { createHash } from "node:crypto";
import { type Asked, FaultyServer, type Reply } from "./delivery.ts";

export interface ServedFile {
  readonly body: Uint8Array;
  /** "strong" unless said otherwise; without one there is the time of the change. */
  readonly tag?: "strong" | "weak" | "none";
  readonly ranges?: boolean;
  readonly lastModified?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class FilesServer extends FaultyServer {
  /** By path, from the slash on. */
  readonly files: Map<string, ServedFile> = new Map();
  /** Where a path is redirected to. */
  readonly redirects: Map<string, string> = new Map();

  protected override async reply({ url, headers }: Asked): Promise<Reply> {
    const path = url.replace(/\?.*/, "");
    const target = this.redirects.get(path);
    if (target !== undefined) return { status: 302, headers: { location: target } };
    const file = this.files.get(path);
    if (file === undefined) return { status: 404 };
    const own = marks(file);
    if (headers["if-match"] !== undefined && headers["if-match"] !== own["etag"]) return { status: 412 };
    const since = headers["if-unmodified-since"];
    if (since !== undefined && since !== own["last-modified"]) return { status: 412 };
    return partOf(file.body, { range: file.ranges === false ? undefined : headers.range, headers: own });
  }
}

function marks({ body, tag = "strong", lastModified = "Wed, 21 Oct 2015 07:28:00 GMT", headers }: ServedFile) {
  const etag = `"${md5(body)}"`;
  return {
    "last-modified": lastModified,
    ...(tag !== "none" && { etag: tag === "weak" ? `W/${etag}` : etag }),
    ...headers,
  } as Record<string, string>;
}

export function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** The answer to a request with or without a range. */
export function partOf(
  body: Uint8Array,
  { range, headers }: { range: string | undefined; headers: Readonly<Record<string, string>> },
): Reply {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  if (match === null) return { status: 200, headers, body };
  const [start, last] = [Number(match[1]), match[2] === "" ? body.length - 1 : Number(match[2])];
  if (start >= body.length) return { status: 416, headers: { "content-range": `bytes */${body.length}` } };
  const part = body.subarray(start, last + 1);
  const contentRange = `bytes ${start}-${start + part.length - 1}/${body.length}`;
  return { status: 206, headers: { ...headers, "content-range": contentRange }, body: part };
}
