// What `fastclip data pack` is pointed at.
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { cacheFolder, defaultCacheSize } from "../cache.ts";
import { expandPatterns } from "../patterns.ts";
import { openSegments } from "../segments/open.ts";
import { openSource, type Row, type Source, type SourceOptions } from "../sources/source.ts";
import { isRemote } from "../storage/index.ts";
import { shardsSource } from "./shards-source.ts";

/**
 * A folder, a table, shards, or several of a kind by a pattern, one after the other. For shards, `captionColumn` is the key of the captions
 * in their JSON; without it they come from the .txt.
 */
export async function openPackSource(pattern: string, options: SourceOptions): Promise<Source> {
  if (!/[*?[{]/.test(pattern) && !isShard(pattern)) return openSource(absolute(pattern), options);
  const locations = (await expandPatterns([pattern])).map(({ location }) => location);
  if (locations.every(isShard)) return openShards(pattern, options);
  const sources: Source[] = [];
  for (const location of locations) sources.push(await openSource(absolute(location), options));
  return sources.length === 1 ? sources[0]! : joined(pattern, sources);
}

function isShard(location: string): boolean {
  return /\.(tar|tgz|tar\.gz|tar\.zst)$/i.test(location);
}

function absolute(location: string): string {
  return isRemote(location) ? location : resolve(location);
}

/** Remote ones are fetched as a whole, since all of them is read. */
async function openShards(pattern: string, { captionColumn }: SourceOptions): Promise<Source> {
  const cache = { cache: cacheFolder(), cacheSize: defaultCacheSize };
  const captionKeys = captionColumn === undefined ? [] : [captionColumn];
  return shardsSource(await openSegments([pattern], { ...cache, captionKeys, whole: true }), { name: pattern, cache });
}

/** The rows of several sources, one source after the other. */
function joined(name: string, sources: readonly Source[]): Source {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(`${source.name}\n${source.fingerprint}\n`);
  return {
    name,
    fingerprint: hash.digest("hex"),
    folders: [...new Set(sources.flatMap(({ folders }) => folders))],
    rows: () => rowsOf(sources),
  };
}

async function* rowsOf(sources: readonly Source[]): AsyncGenerator<Row> {
  for (const source of sources) yield* source.rows();
}
