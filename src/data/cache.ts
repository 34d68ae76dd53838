// Where files are kept that can be made again: index files, copies of shards, packed tables.
import { homedir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "./make-folder.ts";

/** Bytes that copies of shards may take up. */
export const defaultCacheSize = 50e9;

/** `directory`, else FASTCLIP_CACHE, else fastclip/ in XDG_CACHE_HOME or ~/.cache. */
export function cacheFolder(directory?: string): string {
  const { FASTCLIP_CACHE, XDG_CACHE_HOME } = process.env;
  return directory || FASTCLIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "fastclip");
}

/** Makes a folder inside the cache and returns its path. */
export function makeCacheFolder(cache: string, name: string): string {
  return makeFolder(join(cache, name), "name another folder for such files (--cache-dir, or FASTCLIP_CACHE)");
}
