// What the headers of an answer say about the file that it is of.
import type { Answer } from "./exchange.ts";

/** "bytes 0-99/1234" or, where there is no such part, "bytes * /1234": `end` is the byte behind the last. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

export function contentRange(answer: Answer): ContentRange | undefined {
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+)$/i.exec(answer.headers.get("content-range") ?? "");
  if (match === null) return undefined;
  const [, first, last, size] = match;
  return first === undefined
    ? { start: 0, end: 0, size: Number(size) }
    : { start: Number(first), end: Number(last) + 1, size: Number(size) };
}

export function contentLength({ headers }: Answer): number | undefined {
  const text = headers.get("content-length");
  return text === null || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** A file's version: its ETag, or when it was changed, or neither, and its size. */
export function versionOf({ headers }: Answer, size: number): string {
  return `${headers.get("etag") ?? headers.get("last-modified") ?? "undated"} ${size}`;
}

/** The size in a version. */
export function sizeOf(version: string): number {
  return Number(version.slice(version.lastIndexOf(" ") + 1));
}

/** Headers that make a server refuse (412) where the file is another by now; a weak ETag never matches, RFC 9110 13.1.1. */
export function unchanged(version: string): Record<string, string> {
  const mark = version.slice(0, version.lastIndexOf(" "));
  if (mark.startsWith('"')) return { "if-match": mark };
  return mark.endsWith(" GMT") ? { "if-unmodified-since": mark } : {};
}

/** Retry-After in milliseconds: it is a number of seconds or a date. */
export function retryAfter({ headers }: Answer): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return wait > 0 ? wait : undefined;
}
