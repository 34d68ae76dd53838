// The index of a shard: taken from its file in the cache where that is of the shard as it is now, else made from the shard's headers.
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { makeCacheFolder } from "../cache.ts";
import type { Fault } from "../faults.ts";
import { packingOf, scanShard } from "../shards/bytes.ts";
import { type Cache, type ReadableShard, readable, type ShardFile, statShard } from "../shards/file.ts";
import { type Packing, UnpackError } from "../shards/unpack.ts";
import { scanTar } from "../tar/read.ts";
import { columnCount, IndexBuilder, type Ranges } from "./build.ts";
import { openTableFile, type TableFile, writeTableFile } from "./table-file.ts";

export interface ShardIndex {
  readonly file: ReadableShard;
  readonly table: TableFile;
  /** What is no whole sample, each with the number of samples before it. */
  readonly faults: readonly (readonly [before: number, fault: Fault])[];
  /** Samples without a caption in their .txt, and without a .json. */
  readonly lacking: { readonly txt: Ranges; readonly json: Ranges };
  /** Of all that the index says of the samples. */
  readonly sha256: string;
  /** Whether it was made now. */
  readonly isNew: boolean;
}

interface Header {
  readonly kind: "shard";
  readonly location: string;
  readonly bytes: number;
  readonly version: string;
  readonly packing: Packing;
  readonly faults: ShardIndex["faults"];
  readonly lacking: ShardIndex["lacking"];
  readonly sha256: string;
}

export interface IndexOptions extends Cache {
  /** Whether remote shards are fetched as a whole. */
  readonly whole: boolean;
}

/** Reads no more of the shard than its headers, and nothing where the cache has its index. */
export async function indexShard(location: string, options: IndexOptions): Promise<ShardIndex> {
  const file = await statShard(location);
  const path = indexPath(file.location, options.cache);
  const known = openIndex(path, { file, options });
  if (known) return { ...known, isNew: false };
  await makeIndex(path, { file, options });
  const made = openIndex(path, { file, options });
  if (made === undefined) throw new Error(`${file.name} was changed while it was indexed; try again`);
  return { ...made, isNew: true };
}

interface Wanted {
  readonly file: ShardFile;
  readonly options: IndexOptions;
}

/** Where the index of a shard is kept. */
function indexPath(location: string, cache: string): string {
  const hash = createHash("sha256").update(location).digest("hex").slice(0, 24);
  return join(makeCacheFolder(cache, "index"), `${basename(location).slice(0, 100)}-${hash}.index`);
}

function openIndex(path: string, { file, options }: Wanted): Omit<ShardIndex, "isNew"> | undefined {
  const table = openTableFile(path);
  const header = table?.header as unknown as Header | undefined;
  if (!table || header?.kind !== "shard" || table.columns !== columnCount) return undefined;
  if (header.location !== file.location || header.bytes !== file.bytes || header.version !== file.version)
    return undefined;
  const { packing, faults, lacking, sha256 } = header;
  return { file: readable(file, { packing, whole: options.whole }), table, faults, lacking, sha256 };
}

async function makeIndex(path: string, { file, options }: Wanted): Promise<void> {
  const packing = await packingOf(file);
  const builder = new IndexBuilder(file.name);
  try {
    await scan(readable(file, { packing, whole: options.whole }), { builder, options });
  } catch (error) {
    if (!(error instanceof UnpackError)) throw error;
    const message = `cannot be unpacked: ${error.message}`;
    builder.add({ kind: "problem", cause: "tar-header", name: undefined, message });
  }
  const { rows, keys, ...about } = builder.finish();
  const { location, bytes, version } = file;
  const header = { kind: "shard", location, bytes, version, packing, ...about } satisfies Header;
  writeTableFile(path, { header: { ...header }, columns: columnCount, rows, blob: keys });
}

async function scan(
  shard: ReadableShard,
  { builder, options }: { builder: IndexBuilder; options: IndexOptions },
): Promise<void> {
  const source = await scanShard(shard, options);
  try {
    for await (const item of scanTar(source)) builder.add(item);
  } finally {
    source.close();
  }
}
