// Pictures with captions, packed into WebDataset shards. A pack that was stopped goes on: what is there is whole and stays.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Fault, FaultCounts } from "../faults.ts";
import { mapInOrder } from "../limited.ts";
import { Quarantine, type QuarantineOptions } from "../quarantine.ts";
import type { Row, Source } from "../sources/source.ts";
import { dropShard, keepShard, type PackedShard, type Part, packShard } from "./shard.ts";

export interface PackOptions {
  /** Folder of the shards. */
  readonly directory: string;
  /** What the shards' names begin with. */
  readonly name: string;
  /** Rows of the source in one shard. */
  readonly shardSize: number;
  readonly maxBadRate: number;
  /** Shards packed at once; default 4. */
  readonly workers?: number;
  /** Pictures read or downloaded at once, for all shards together; default 64. */
  readonly downloads?: number;
  readonly onFault?: (fault: Fault) => void;
  /** Told after each shard that is there, in their order. */
  readonly onProgress?: (done: { readonly shards: number; readonly rows: number }) => void;
}

export interface Packed {
  /** The shards as a pattern for --train-data. */
  readonly pattern: string;
  /** Their paths. */
  readonly shards: readonly string[];
  /** Samples packed now; those of shards that were there are not counted again. */
  readonly samples: number;
  /** Rows that were left out, now or before. */
  readonly faults: FaultCounts;
}

const recordFile = "pack.json";

/**
 * Each shard holds a range of the source's rows, so its bytes depend on nothing but them.
 *
 * @throws when the folder holds the shards of another source, too many rows are bad, or all of them.
 */
export async function pack(source: Source, options: PackOptions): Promise<Packed> {
  const { directory, name, shardSize, maxBadRate, onFault, onProgress } = options;
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new Error(`the shards' name "${name}" (--name): expected letters, digits, "_", "-" and "."`);
  mkdirSync(directory, { recursive: true });
  refuseOther(directory, { source: source.name, fingerprint: source.fingerprint, name, shardSize });
  copyLicences(source.folders, directory);
  const gate = new Gate({ maxBadRate, onFault });
  const packed: PackedShard[] = [];
  for await (const shard of packShards(source, options)) {
    gate.pass(shard);
    packed.push(shard);
    onProgress?.({ shards: packed.length, rows: shard.end });
  }
  refuseEmpty(packed, source);
  const shards = packed.map(({ path }) => path);
  const samples = packed.filter(({ isOld }) => !isOld).reduce((sum, shard) => sum + samplesOf(shard), 0);
  return { pattern: patternOf(shards.length, { directory, name }), shards, samples, faults: gate.counts };
}

function samplesOf({ first, end, faults }: PackedShard): number {
  return end - first - faults.length;
}

/** Shards without any sample would be found to be empty by a training run, long after. */
function refuseEmpty(packed: readonly PackedShard[], { name }: Source): void {
  const last = packed.at(-1);
  if (last === undefined) throw new Error(`${name} has no rows`);
  if (packed.some((shard) => samplesOf(shard) > 0)) return;
  for (const shard of packed) if (!shard.isOld) dropShard(shard);
  throw new Error(`${name}: none of its ${last.end} rows can be packed; the last: ${last.faults.at(-1)!.message}`);
}

/**
 * Counts the faults of shards and keeps the shards, as long as there are not too many. Else the last shards, of those packed now, that
 * had too many go, so that their rows are tried again the next time: a network or disk that failed should not leave its mark on the data.
 */
class Gate {
  readonly #quarantine: Quarantine;
  readonly #maxBadRate: number;
  #suspects: PackedShard[] = [];

  constructor(options: QuarantineOptions) {
    this.#quarantine = new Quarantine(options);
    this.#maxBadRate = options.maxBadRate;
  }

  get counts(): FaultCounts {
    return this.#quarantine.counts;
  }

  /** @throws when there are too many faults now. */
  pass(shard: PackedShard): void {
    const { first, end, faults, isOld } = shard;
    const isSuspect = !isOld && faults.length > this.#maxBadRate * (end - first);
    this.#suspects = isSuspect ? [...this.#suspects, shard] : [];
    try {
      this.#quarantine.record(end, faults);
    } catch (error) {
      for (const suspect of this.#suspects) dropShard(suspect);
      throw error;
    }
    keepShard(shard);
  }
}

function shardName(name: string, number: number): string {
  return `${name}-${String(number).padStart(5, "0")}.tar`;
}

function patternOf(count: number, { directory, name }: { directory: string; name: string }): string {
  const last = String(count - 1).padStart(5, "0");
  return join(directory, count === 1 ? shardName(name, 0) : `${name}-{00000..${last}}.tar`);
}

/** Packs some shards at once, and hands them over in their order. What is under way has ended when this has. */
async function* packShards(source: Source, options: PackOptions): AsyncGenerator<PackedShard> {
  const { directory, name, shardSize, maxBadRate, workers = 4, downloads = 64 } = options;
  const control = new AbortController();
  const underWay = new Set<Promise<PackedShard>>();
  const start = (part: Part): Promise<PackedShard> => {
    const path = join(directory, shardName(name, part.number));
    const readers = Math.ceil(downloads / workers);
    const shard = packShard(part, { path, source: source.name, readers, maxBadRate, signal: control.signal });
    underWay.add(shard);
    return shard.finally(() => underWay.delete(shard));
  };
  try {
    yield* mapInOrder(partsOf(source, shardSize), workers, start);
  } finally {
    control.abort();
    await Promise.allSettled(underWay);
  }
}

async function* partsOf(source: Source, size: number): AsyncGenerator<Part> {
  let [number, first] = [0, 0];
  let rows: Row[] = [];
  for await (const row of source.rows()) {
    rows.push(row);
    if (rows.length < size) continue;
    yield { number: number++, first, rows };
    [first, rows] = [first + size, []];
  }
  if (rows.length > 0) yield { number, first, rows };
}

/** Shards of another source, or cut otherwise, must not stand beside those of this one. */
function refuseOther(directory: string, settings: Readonly<Record<string, unknown>>): void {
  const path = join(directory, recordFile);
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  if (!existsSync(path)) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text)
    throw new Error(
      `${directory} holds shards of another source, or of this one before it changed: choose another --out`,
    );
}

/** What folders say of rights and authors goes with their pictures; where there are several, under their names. */
function copyLicences(folders: readonly string[], directory: string): void {
  for (const folder of folders)
    for (const file of readdirSync(folder)) {
      if (!/^(licen[cs]e|attribution|credits|copying|notice)\b/i.test(file)) continue;
      if (!statSync(join(folder, file)).isFile()) continue;
      copyFileSync(join(folder, file), join(directory, folders.length > 1 ? `${basename(folder)}-${file}` : file));
    }
}
