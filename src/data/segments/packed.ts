// Shards in the cache, made once of a table whose pictures are not files of this machine: embedded in it, or behind URLs.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { paced } from "../../telemetry/paced.ts";
import { makeCacheFolder } from "../cache.ts";
import { makeOnce } from "../make-once.ts";
import { pack } from "../pack/pack.ts";
import type { Source } from "../sources/source.ts";

export interface CopyOptions {
  /** Absolute path, or a URL. */
  readonly location: string;
  readonly cache: string;
  /** Above this share of rows that cannot be packed it fails. */
  readonly maxBadRate: number;
  /** Told in sentences what is done where it takes long. */
  readonly onMessage?: ((message: string) => void) | undefined;
}

const shardSize = 1000;

/** A pack keeps the disk or the network busy; several at once would only take more memory. */
let last: Promise<unknown> = Promise.resolve();

/** The paths of the shards, in order. One process packs, and others of the machine wait for it. */
export async function packedCopy(source: Source, options: CopyOptions): Promise<string[]> {
  const { location, cache } = options;
  const hash = createHash("sha256").update(`${location}\n${source.fingerprint}`).digest("hex").slice(0, 24);
  const name = nameFor(source);
  const folder = makeCacheFolder(cache, join("packed", `${name}-${hash}`));
  const record = join(folder, "packed.json");
  if (readRecord(record) === undefined) rmSync(record, { force: true });
  const work = last.then(() =>
    makeOnce(record, (alive) => makeCopy(source, { ...options, folder, name, record, alive })),
  );
  last = work.catch(() => {});
  await work;
  const shards = readRecord(record);
  if (shards === undefined) throw new Error(`${folder} was changed while it was opened; try again`);
  return shards;
}

/** The table's name without its ending, in letters that may stand in the name of a shard. */
function nameFor({ name }: Source): string {
  const letters = name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "_");
  return letters.slice(0, 80) || "table";
}

/** undefined where nothing was packed to its end, or shards are missing now. */
function readRecord(path: string): string[] | undefined {
  if (!existsSync(path)) return undefined;
  const { shards } = JSON.parse(readFileSync(path, "utf8")) as { shards: string[] };
  const paths = shards.map((name) => join(path, "..", name));
  return paths.every((shard) => existsSync(shard)) ? paths : undefined;
}

interface Making extends CopyOptions {
  readonly folder: string;
  readonly name: string;
  /** Path of the file that says that all is there. */
  readonly record: string;
  readonly alive: () => void;
}

async function makeCopy(source: Source, { folder, name, record, alive, maxBadRate, onMessage }: Making): Promise<void> {
  onMessage?.(`${source.name} is copied into shards once, in ${folder} (fastclip data pack makes them elsewhere)`);
  const onProgress = paced(({ rows }: { rows: number }) => onMessage?.(`${source.name}: ${rows} rows are copied`));
  const timer = setInterval(alive, 1000);
  try {
    const { shards } = await pack(source, { directory: folder, name, shardSize, maxBadRate, onProgress });
    const names = shards.map((path) => basename(path));
    writeFileSync(`${record}.partial`, `${JSON.stringify({ shards: names })}\n`);
    renameSync(`${record}.partial`, record);
  } finally {
    clearInterval(timer);
  }
}
