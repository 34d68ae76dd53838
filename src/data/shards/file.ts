// The file of a shard, wherever it lies: what is known of it before it is read.
import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { isRemote, storageOf } from "../storage/index.ts";
import type { Packing } from "./unpack.ts";

export interface ShardFile {
  /** Absolute path, or a URL. */
  readonly location: string;
  /** File name, for messages. */
  readonly name: string;
  readonly bytes: number;
  /** Another text when the contents are others. */
  readonly version: string;
  /** Whether any part of it can be read where it lies. */
  readonly ranges: boolean;
}

/** A shard of which parts can be read; where it lies, or from a copy. */
export interface ReadableShard extends ShardFile {
  readonly packing: Packing;
  /** Whether it is read from a copy in the cache: unpacked, or fetched as a whole. */
  readonly copied: boolean;
}

/** Where copies are kept. */
export interface Cache {
  readonly cache: string;
  /** Bytes that copies of shards may take up. */
  readonly cacheSize: number;
}

export async function statShard(place: string): Promise<ShardFile> {
  if (!isRemote(place)) return statLocal(resolve(place));
  const { size, version, ranges } = await storageOf(place).stat(place);
  return { location: place, name: nameOf(place), bytes: size, version, ranges };
}

function statLocal(location: string): ShardFile {
  const { size, mtimeMs } = statSync(location);
  return { location, name: basename(location), bytes: size, version: localVersion(mtimeMs), ranges: true };
}

/** A file of this machine that is changed has another time of change. */
export function localVersion(mtimeMs: number): string {
  return String(mtimeMs);
}

/** The last part of a path or URL. */
export function nameOf(location: string): string {
  return isRemote(location) ? decodeURIComponent(basename(new URL(location).pathname)) : basename(location);
}

/** How the shard can be read. With `whole` a remote one is fetched as a whole, even where parts of it could be. */
export function readable(file: ShardFile, { packing, whole }: { packing: Packing; whole: boolean }): ReadableShard {
  const copied = packing !== "none" || (isRemote(file.location) && (whole || !file.ranges));
  return { ...file, packing, copied };
}
