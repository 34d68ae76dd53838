// Patterns of shards, tables and folders: braces, globs, URLs.
import { readdir, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { expand } from "brace-expansion";
import { isRemote, storageOf } from "./storage/index.ts";

/** Beyond this a list of shards is a mistake, and brace-expansion would cut it short without a word. */
const mostShards = 1_000_000;

/** Something to read samples from. */
export interface Place {
  readonly kind: "shard" | "table" | "folder";
  /** Path or URL. */
  readonly location: string;
  /** Index of the pattern that names it. */
  readonly pattern: number;
}

const remoteSchemes = ["http", "https", "s3"];

/** Files that name pictures, or hold them, in rows. */
const tableEndings = [".csv", ".tsv", ".jsonl", ".parquet"];

/**
 * What the patterns name, in the order given: braces in the order written, matches of a glob sorted by name. `*`, `?` and `[...]`
 * match inside one path segment, `**` matches any number of folders; over S3 as well, over HTTP only braces can be expanded.
 *
 * Throws when a pattern matches nothing, names something that is neither file nor folder, or one is named twice.
 */
export async function expandPatterns(patterns: readonly string[]): Promise<Place[]> {
  if (patterns.length === 0)
    throw new Error("no shards were named: a path or pattern such as data/{00000..00099}.tar is expected");
  const places: Place[] = [];
  for (const [index, pattern] of patterns.entries())
    for (const path of expandBraces(pattern))
      for (const place of await (isRemote(path) ? expandRemote(path) : expandGlob(path, pattern)))
        places.push({ ...place, pattern: index });
  refuseDuplicates(places);
  return places;
}

type Found = Omit<Place, "pattern">;

function fileAt(location: string): Found {
  return { kind: tableEndings.includes(extname(location).toLowerCase()) ? "table" : "shard", location };
}

function expandBraces(pattern: string): string[] {
  if (pattern === "") throw new Error("a shard pattern is empty: a path or pattern such as data/*.tar is expected");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(pattern)?.[1]?.toLowerCase();
  if (scheme && !remoteSchemes.includes(scheme))
    throw new Error(`${pattern}: shards are read from files, http(s):// and s3://; "${scheme}:" is not supported`);
  const paths = expand(pattern, { max: mostShards + 1, maxLength: 1e9 });
  if (paths.length > mostShards) throw new Error(`${pattern} names more than ${mostShards} shards`);
  return paths;
}

/** Whether each is there is found out when it is opened. */
async function expandRemote(url: string): Promise<Found[]> {
  if (!url.startsWith("s3://")) return [fileOverHttp(url)];
  if (!isMagic(url)) return [fileAt(url)];
  const fixed = url.slice(0, url.search(/[*?[]/));
  const expression = new RegExp(
    `^${url.split("/").map(remoteSegment).join("/").replaceAll("(?:.*/)?/", "(?:.*/)?")}$`,
    "s",
  );
  const matches = (await storageOf(url).list(fixed)).filter((location) => expression.test(location));
  if (matches.length === 0) throw new Error(`no shard matches ${url}`);
  return matches.map(fileAt);
}

/** A server does not say which files it has. */
function fileOverHttp(url: string): Found {
  if (!/[*[]/.test(url.replace(/\?.*/, ""))) return fileAt(url);
  throw new Error(`${url}: over HTTP only braces can be expanded, as in {000..099}`);
}

function remoteSegment(segment: string): string {
  return segment === "**" ? "(?:.*/)?" : segmentSource(segment);
}

async function expandGlob(path: string, pattern: string): Promise<Found[]> {
  if (!isMagic(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) return [fileAt(path)];
    if (found?.isDirectory()) return [{ kind: "folder", location: path }];
    const problem = found ? "is neither a file nor a folder" : "does not exist";
    throw new Error(path === pattern ? `shard ${path} ${problem}` : `shard ${path} (of ${pattern}) ${problem}`);
  }
  const [root, ...segments] = path.split("/");
  // A leading "/" leaves an empty first segment; a relative path starts where the process stands.
  const matches = root === "" ? await walk("/", segments) : await walk("", [root!, ...segments]);
  if (matches.length === 0) throw new Error(`no shard matches ${pattern}`);
  return matches.sort().map(fileAt);
}

function isMagic(text: string): boolean {
  return /[*?[]/.test(text);
}

/** The files below `folder` whose path matches the segments. */
async function walk(folder: string, segments: readonly string[]): Promise<string[]> {
  const [segment, ...rest] = segments;
  if (segment === undefined) return [];
  if (!isMagic(segment)) {
    const path = join(folder, segment);
    if (rest.length > 0) return walk(path, rest);
    return (await stat(path).catch(() => undefined))?.isFile() ? [path] : [];
  }
  const entries = await readdir(folder || ".", { withFileTypes: true }).catch(() => []);
  const matches = segment === "**" ? () => true : matcher(segment);
  const found: string[] = [];
  if (segment === "**") found.push(...(await walk(folder, rest)));
  for (const entry of entries) {
    if (!matches(entry.name) || entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (segment === "**" && entry.isDirectory()) found.push(...(await walk(path, segments)));
    if (segment === "**") continue;
    if (rest.length > 0) found.push(...(await walk(path, rest)));
    // stat, not the entry: a link to a file is a shard too.
    else if ((await stat(path).catch(() => undefined))?.isFile()) found.push(path);
  }
  return found;
}

function matcher(segment: string): (name: string) => boolean {
  const expression = new RegExp(`^${segmentSource(segment)}$`, "s");
  return (name) => expression.test(name);
}

/** The regular expression of one path segment. */
function segmentSource(segment: string): string {
  return segment.replace(/\[([!^]?)([^\]]+)\]|[\s\S]/g, (token, negated: string, set: string | undefined) => {
    if (set !== undefined) return `[${negated ? "^" : ""}${set.replace(/[\\[\]^]/g, "\\$&")}]`;
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    return token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
}

function refuseDuplicates(places: readonly Place[]): void {
  const seen = new Set<string>();
  for (const { location } of places) {
    const name = isRemote(location) ? location : resolve(location);
    if (seen.has(name)) throw new Error(`shard ${location} is named twice; each shard may be read once`);
    seen.add(name);
  }
}
