// Pictures with captions, packed into WebDataset shards. A pack that was stopped goes on: what is there is whole and stays.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Fault, FaultCause, FaultCounts } from "../faults.ts";
import { imageExtensions } from "../members.ts";
import { Quarantine } from "../quarantine.ts";
import { lackOf, openSource, type Row, type SourceOptions } from "../sources/source.ts";
import { type TarEntry, writeTar } from "../tar/write.ts";

export interface PackOptions extends SourceOptions {
  /** A folder, .csv, .tsv or .jsonl. */
  readonly source: string;
  /** Folder of the shards. */
  readonly directory: string;
  /** What the shards' names begin with. */
  readonly name: string;
  /** Rows of the source in one shard. */
  readonly shardSize: number;
  readonly maxBadRate: number;
  readonly onFault: (fault: Fault) => void;
  /** Told of each shard that is there. */
  readonly onShard?: (path: string) => void;
}

export interface Packed {
  /** The shards as a pattern for --train-data. */
  readonly pattern: string;
  readonly shards: number;
  /** Samples packed now; those of shards that were there are not counted again. */
  readonly samples: number;
  readonly faults: FaultCounts;
}

const recordFile = "pack.json";
/** Pictures read at once. */
const readAhead = 32;

/** @throws when the folder holds the shards of another source, or too many rows are bad. */
export async function pack(options: PackOptions): Promise<Packed> {
  const { source, directory, name, shardSize, maxBadRate, onFault, onShard } = options;
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new Error(`the shards' name "${name}" (--name): expected letters, digits, "_", "-" and "."`);
  const opened = openSource(source, options);
  mkdirSync(directory, { recursive: true });
  refuseOther(directory, { source: basename(source), fingerprint: opened.fingerprint, name, shardSize });
  copyLicences(source, directory);
  const quarantine = new Quarantine({ maxBadRate, onFault });
  let [shards, rows, samples] = [0, 0, 0];
  for await (const part of inParts(opened.rows(), shardSize)) {
    const path = join(directory, `${name}-${String(shards).padStart(5, "0")}.tar`);
    if (!existsSync(path)) {
      const entries = await readAll(part, { first: rows, quarantine, source: basename(source) });
      await writeTar(`${path}.partial`, entries.flat());
      renameSync(`${path}.partial`, path);
      samples += entries.length;
    }
    onShard?.(path);
    shards++;
    rows += part.length;
  }
  if (rows === 0) throw new Error(`${source} has no rows`);
  const last = String(shards - 1).padStart(5, "0");
  const pattern = join(directory, shards === 1 ? `${name}-00000.tar` : `${name}-{00000..${last}}.tar`);
  return { pattern, shards, samples, faults: quarantine.counts };
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

/** What a folder says of rights and authors goes with its pictures. */
function copyLicences(source: string, directory: string): void {
  if (!statSync(source).isDirectory()) return;
  for (const file of readdirSync(source))
    if (/^(licen[cs]e|attribution|credits|copying|notice)\b/i.test(file) && statSync(join(source, file)).isFile())
      copyFileSync(join(source, file), join(directory, file));
}

async function* inParts<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let part: T[] = [];
  for await (const item of items) {
    part.push(item);
    if (part.length < size) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

interface Reading {
  /** Rows before these. */
  readonly first: number;
  readonly quarantine: Quarantine;
  readonly source: string;
}

/** The files of each good row. Reads some pictures at once, and reports in the order of rows. */
async function readAll(rows: readonly Row[], { first, quarantine, source }: Reading): Promise<TarEntry[][]> {
  const good: TarEntry[][] = [];
  for (let start = 0; start < rows.length; start += readAhead) {
    const part = rows.slice(start, start + readAhead);
    const read = await Promise.all(part.map((row, i) => readRow(row, first + start + i)));
    const faults = read.flatMap((one) => ("cause" in one ? [{ ...one, shard: source, key: undefined }] : []));
    quarantine.record(first + start + part.length, faults);
    for (const one of read) if ("entries" in one) good.push(one.entries);
  }
  return good;
}

type ReadRow = { readonly entries: TarEntry[] } | { readonly cause: FaultCause; readonly message: string };

async function readRow(row: Row, number: number): Promise<ReadRow> {
  const { where, picture, captions, more } = row;
  const bad = (cause: FaultCause, text: string): ReadRow => ({ cause, message: `${where}: ${text}` });
  const lack = lackOf(row);
  if (lack) return bad(lack.cause, lack.detail);
  const extension = extname(picture).slice(1).toLowerCase();
  if (!imageExtensions.includes(extension))
    return bad("bad-picture", `${picture} is none of ${imageExtensions.join(", ")}`);
  const data = await readFile(picture).catch((error: NodeJS.ErrnoException) => error);
  if (data instanceof Error)
    return bad("no-picture", data.code === "ENOENT" ? `${picture} does not exist` : data.message);
  if (data.length === 0) return bad("no-picture", `${picture} is empty`);
  const key = String(number).padStart(9, "0");
  const json = { ...more, source: where, ...(captions.length > 1 && { captions }) };
  return {
    entries: [
      { name: `${key}.${extension}`, data },
      { name: `${key}.txt`, data: Buffer.from(captions[0]!) },
      { name: `${key}.json`, data: Buffer.from(JSON.stringify(json)) },
    ],
  };
}
