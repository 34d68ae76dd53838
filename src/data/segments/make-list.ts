// The list of a table or folder: taken from its file in the cache where the source has not changed, else made from its rows.
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { makeCacheFolder } from "../cache.ts";
import type { Fault, FaultCause } from "../faults.ts";
import { openTableFile, writeTableFile } from "../index/table-file.ts";
import { type Contents, lackOf, type Source } from "../sources/source.ts";
import { type List, type ListRecord, listColumns } from "./list.ts";

export interface ListOptions {
  readonly cache: string;
  /** The place, opened. */
  readonly source: Source;
}

export interface FoundList {
  readonly list: List;
  /** Rows that are no sample. */
  readonly faults: readonly Fault[];
  /** Of all that the list says of the samples. */
  readonly sha256: string;
  /** Whether it was made now. */
  readonly isNew: boolean;
}

interface Header {
  readonly kind: "list";
  readonly location: string;
  readonly fingerprint: string;
  readonly faults: readonly Fault[];
  readonly sha256: string;
}

export async function findList(place: string, { cache, source }: ListOptions): Promise<FoundList> {
  const location = resolve(place);
  const hash = createHash("sha256").update(location).digest("hex").slice(0, 24);
  const path = join(makeCacheFolder(cache, "lists"), `${basename(location).slice(0, 100)}-${hash}.list`);
  const wanted = { location, source };
  const known = openList(path, wanted);
  if (known) return { ...known, isNew: false };
  await makeList(path, wanted);
  const made = openList(path, wanted);
  if (made === undefined) throw new Error(`${place} was changed while it was read; try again`);
  return { ...made, isNew: true };
}

interface Wanted {
  readonly location: string;
  readonly source: Source;
}

function openList(path: string, { location, source }: Wanted): Omit<FoundList, "isNew"> | undefined {
  const table = openTableFile(path);
  const header = table?.header as unknown as Header | undefined;
  if (!table || header?.kind !== "list" || table.columns !== listColumns) return undefined;
  if (header.location !== location || header.fingerprint !== source.fingerprint) return undefined;
  const { faults, sha256 } = header;
  const list = { kind: "list", name: basename(location), base: baseOf(location), table, count: table.count } as const;
  return { list, faults, sha256 };
}

/** A table's paths are relative to its folder. */
function baseOf(location: string): string {
  return statSync(location).isDirectory() ? location : dirname(location);
}

async function makeList(path: string, { location, source }: Wanted): Promise<void> {
  const base = baseOf(location);
  const faults: Fault[] = [];
  const rows: number[] = [];
  const blob: Buffer[] = [];
  const hash = createHash("sha256");
  let end = 0;
  for await (const { where, read } of source.rows()) {
    const record = recordOf(await read(), { where, base });
    if ("cause" in record) {
      const message = `${where}: ${record.detail}`;
      faults.push({ cause: record.cause, shard: source.name, key: where, message });
      continue;
    }
    const bytes = Buffer.from(JSON.stringify(record));
    hash.update(bytes);
    rows.push(end, bytes.length);
    blob.push(bytes);
    end += bytes.length;
  }
  const { fingerprint } = source;
  const header = { kind: "list", location, fingerprint, faults, sha256: hash.digest("hex") } satisfies Header;
  writeTableFile(path, { header: { ...header }, columns: listColumns, rows, blob });
}

/** What the list holds of a row, or what keeps it from being a sample. */
function recordOf(
  contents: Contents,
  { where, base }: { where: string; base: string },
): ListRecord | { cause: FaultCause; detail: string } {
  const { picture, captions, more } = contents;
  const lack = lackOf(contents);
  if (lack) return lack;
  if (picture?.kind === "file") return { key: where, picture: relative(base, picture.path), captions, more };
  const name = picture?.kind === "url" ? picture.url : "the picture";
  return { cause: "no-picture", detail: `${name} is not a local file` };
}
