// Copies of shards that cannot be read where they lie: compressed ones, and remote ones that are to be fetched as a whole. They are kept
// in the cache as plain tars; those unused for longest go when all together take up more than they may.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { makeCacheFolder } from "../cache.ts";
import { makeOnce, partialName } from "../make-once.ts";
import { isRemote, storageOf } from "../storage/index.ts";
import { type Cache, type ReadableShard, statShard } from "./file.ts";
import { UnpackError, unpack } from "./unpack.ts";

/** What was under way in this thread is not begun again. */
const underWay = new Map<string, Promise<void>>();

/** The path of the shard's copy, which is made where it is not there. */
export async function copyOf(shard: ReadableShard, { cache, cacheSize }: Cache): Promise<string> {
  const folder = makeCacheFolder(cache, "shards");
  const path = join(folder, copyName(shard));
  if (!existsSync(path)) {
    const making = underWay.get(path) ?? makeOnce(path, (alive) => makeCopy(shard, { path, alive }));
    underWay.set(path, making);
    await making.finally(() => underWay.delete(path));
    evict(folder, { limit: cacheSize, keep: path });
  }
  // The time of change stays: it tells readers that nobody writes into the file.
  utimesSync(path, new Date(), statSync(path).mtime);
  return path;
}

function copyName({ location, version, name }: ReadableShard): string {
  const hash = createHash("sha256").update(`${location}\n${version}`).digest("hex").slice(0, 24);
  return `${name.slice(0, 100)}-${hash}.tar`;
}

async function makeCopy(shard: ReadableShard, { path, alive }: { path: string; alive: () => void }): Promise<void> {
  const partial = partialName(path);
  const file = await open(partial, "w");
  try {
    await writeUnpacked(shard, { file, alive });
    await file.close();
    await refuseChanged(shard);
    await rename(partial, path);
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeUnpacked(
  { location, packing, version }: ReadableShard,
  { file, alive }: { file: FileHandle; alive: () => void },
): Promise<void> {
  const packed = isRemote(location) ? storageOf(location).stream(location, { version }) : createReadStream(location);
  try {
    for await (const chunk of unpack(packed, packing)) {
      await file.writeFile(chunk);
      alive();
    }
  } catch (error) {
    // What came before is a tar that is cut off there; its whole samples are good ones.
    if (!(error instanceof UnpackError && error.isCut)) throw error;
  }
}

/** A remote shard's version is watched by its storage. */
async function refuseChanged({ location, version, name }: ReadableShard): Promise<void> {
  if (isRemote(location) || (await statShard(location)).version === version) return;
  throw new Error(`${name} was changed while it was unpacked; open the data set again`);
}

/** A copy that is open while it is removed can be read on. */
function evict(folder: string, { limit, keep }: { limit: number; keep: string }): void {
  const copies = readdirSync(folder)
    .filter((name) => name.endsWith(".tar") && name !== basename(keep))
    .flatMap((name) => {
      const path = join(folder, name);
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? [] : [{ path, bytes: found.size, used: found.atimeMs }];
    })
    .sort((a, b) => b.used - a.used);
  let total = statSync(keep).size;
  for (const { path, bytes } of copies) {
    total += bytes;
    if (total > limit) rmSync(path, { force: true });
  }
}
