import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expand } from "brace-expansion";

/** Beyond this a list of shards is a mistake, and brace-expansion would cut it short without a word. */
const mostShards = 1_000_000;

/**
 * The shard files that the patterns name, in the order given: braces in the order written, matches of a glob sorted by name.
 * `*`, `?` and `[...]` match inside one path segment, `**` matches any number of folders.
 *
 * Throws when a pattern matches nothing, names something that is no file, or a shard is named twice.
 */
export async function expandShards(patterns: string | readonly string[]): Promise<string[]> {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  if (list.length === 0)
    throw new Error("no shards were named: a path or pattern such as data/{00000..00099}.tar is expected");
  const shards: string[] = [];
  for (const pattern of list) {
    for (const path of expandBraces(pattern)) shards.push(...(await expandGlob(path, pattern)));
  }
  refuseDuplicates(shards);
  return shards;
}

function expandBraces(pattern: string): string[] {
  if (pattern === "") throw new Error("a shard pattern is empty: a path or pattern such as data/*.tar is expected");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(pattern)?.[1];
  if (scheme) throw new Error(`${pattern}: shards are read from local files; "${scheme}:" is not supported`);
  const paths = expand(pattern, { max: mostShards + 1, maxLength: 1e9 });
  if (paths.length > mostShards) throw new Error(`${pattern} names more than ${mostShards} shards`);
  return paths;
}

async function expandGlob(path: string, pattern: string): Promise<string[]> {
  if (!isMagic(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) return [path];
    const problem = found ? "is a folder or device, not a shard file" : "does not exist";
    throw new Error(path === pattern ? `shard ${path} ${problem}` : `shard ${path} (of ${pattern}) ${problem}`);
  }
  const [root, ...segments] = path.split("/");
  // A leading "/" leaves an empty first segment; a relative path starts where the process stands.
  const matches = root === "" ? await walk("/", segments) : await walk("", [root!, ...segments]);
  if (matches.length === 0) throw new Error(`no shard matches ${pattern}`);
  return matches.sort();
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
  const source = segment.replace(/\[([!^]?)([^\]]+)\]|[\s\S]/g, (token, negated: string, set: string | undefined) => {
    if (set !== undefined) return `[${negated ? "^" : ""}${set.replace(/[\\[\]^]/g, "\\$&")}]`;
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    return token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  const expression = new RegExp(`^${source}$`, "s");
  return (name) => expression.test(name);
}

function refuseDuplicates(shards: readonly string[]): void {
  const seen = new Set<string>();
  for (const shard of shards) {
    const path = resolve(shard);
    if (seen.has(path)) throw new Error(`shard ${shard} is named twice; each shard may be read once`);
    seen.add(path);
  }
}
