// One shard of a pack: some rows of the source, read many at a time and written in their order.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type Fault, type FaultCause, SampleError } from "../faults.ts";
import { mapInOrder } from "../limited.ts";
import { countedAtLeast } from "../quarantine.ts";
import { lackOf, type Picture, type Row } from "../sources/source.ts";
import { type TarEntry, writeTar } from "../tar/write.ts";
import { pictureFile } from "./picture.ts";

/** Rows of the source that a shard is made of. */
export interface Part {
  /** Number of the shard. */
  readonly number: number;
  /** Rows before these. */
  readonly first: number;
  /** Taken out as they are read: with each one goes the part of the source that it was read with. */
  readonly rows: Row[];
}

export interface ShardOptions {
  readonly path: string;
  /** Name of the source, for faults. */
  readonly source: string;
  /** Pictures read or downloaded at once. */
  readonly readers: number;
  /** When the faults of this shard alone are too many, it is given up. */
  readonly maxBadRate: number;
  readonly signal: AbortSignal;
}

export interface PackedShard {
  readonly path: string;
  /** Rows of the source before this shard, and up to its end. */
  readonly first: number;
  readonly end: number;
  readonly faults: readonly Fault[];
  /** Whether it was there already. */
  readonly isOld: boolean;
}

/** Leaves a shard that is there as it is; a new one is written beside its place, until `keepShard`. */
export async function packShard({ rows, first }: Part, options: ShardOptions): Promise<PackedShard> {
  const { path } = options;
  const extent = { path, first, end: first + rows.length };
  if (existsSync(path)) return { ...extent, faults: faultsOfShard(path), isOld: true };
  const faults: Fault[] = [];
  await writeTar(partialPath(path), entriesOf({ rows, first }, { ...options, faults }));
  return { ...extent, faults, isOld: false };
}

/** Puts a shard in its place. Its faults stand beside it, so that they are known as long as the shard is there. */
export function keepShard({ path, faults, isOld }: PackedShard): void {
  if (isOld) return;
  if (faults.length > 0) writeFileSync(faultsPath(path), `${JSON.stringify(faults, null, 1)}\n`);
  else rmSync(faultsPath(path), { force: true });
  renameSync(partialPath(path), path);
}

/** Removes a shard, so that it is packed anew the next time. */
export function dropShard({ path }: PackedShard): void {
  for (const file of [path, partialPath(path), faultsPath(path)]) rmSync(file, { force: true });
}

function partialPath(shard: string): string {
  return `${shard}.partial`;
}

/** The rows that were left out when the shard was packed. */
export function faultsOfShard(path: string): Fault[] {
  const beside = faultsPath(path);
  return existsSync(beside) ? (JSON.parse(readFileSync(beside, "utf8")) as Fault[]) : [];
}

function faultsPath(shard: string): string {
  return `${shard.slice(0, -".tar".length)}.faults.json`;
}

/** The files of the good rows; the others become faults. */
async function* entriesOf(
  { rows, first }: Pick<Part, "rows" | "first">,
  { source, readers, maxBadRate, signal, faults }: ShardOptions & { faults: Fault[] },
): AsyncGenerator<TarEntry> {
  const most = maxBadRate * countedAtLeast(first + rows.length);
  for await (const read of mapInOrder(numbered(rows, first), readers, readRow)) {
    signal.throwIfAborted();
    if ("entries" in read) yield* read.entries;
    else faults.push({ cause: read.cause, shard: source, key: read.where, message: read.message });
    // Too many for the whole pack, should the other shards have none.
    if (faults.length > most) return;
  }
}

interface NumberedRow {
  readonly row: Row;
  readonly number: number;
}

function* numbered(rows: Row[], first: number): Generator<NumberedRow> {
  rows.reverse();
  for (let number = first; rows.length > 0; number++) yield { row: rows.pop()!, number };
}

type ReadRow =
  | { readonly entries: readonly TarEntry[] }
  | { readonly cause: FaultCause; readonly where: string; readonly message: string };

async function readRow({ row, number }: NumberedRow): Promise<ReadRow> {
  const { where } = row;
  try {
    const contents = await row.read();
    const { picture, captions, more } = contents;
    const file = lackOf(contents) ?? (await pictureFile(picture!));
    if ("cause" in file) return { cause: file.cause, where, message: `${where}: ${file.detail}` };
    const key = String(number).padStart(9, "0");
    const json = { source: where, ...originOf(picture!), ...more, captions };
    return {
      entries: [
        { name: `${key}.${file.extension}`, data: file.data },
        { name: `${key}.txt`, data: Buffer.from(captions[0]!) },
        { name: `${key}.json`, data: Buffer.from(JSON.stringify(json)) },
      ],
    };
  } catch (error) {
    if (!(error instanceof SampleError)) throw error;
    return { cause: error.fault.cause, where, message: error.fault.message };
  }
}

/** What would be lost of where the picture came from. */
function originOf(picture: Picture): Record<string, string> {
  if (picture.kind === "url") return { url: picture.url };
  return picture.kind === "bytes" && picture.name !== undefined ? { file: picture.name } : {};
}
