// Parquet files: pictures named by path or URL, or embedded as bytes, as data sets on Hugging Face's hub have them.
import { dirname } from "node:path";
import type { SchemaTree } from "hyparquet";
import { nameOf } from "../shards/file.ts";
import { isRemote } from "../storage/index.ts";
import { type Columns, captionsOf, columnsOf, describeColumns, pictureNamed } from "./columns.ts";
import { openParquet, type ParquetFile } from "./parquet-file.ts";
import type { Contents, Picture, PlaceSource, Row, SourceOptions } from "./source.ts";

/**
 * Rows of a Parquet file. The picture's column holds paths or URLs, bytes, or a struct of `bytes` and `path` (the hub's layout). Columns of
 * bytes that are not the pictures' are not read.
 */
export async function parquetSource(location: string, options: SourceOptions): Promise<PlaceSource> {
  const file = await openParquet(location);
  const pictures = file.columns.filter(isPicture).map(({ element }) => element.name);
  const found = file.columns.map(({ element }) => element.name);
  const columns = columnsOf(location, { found, options, pictures });
  const wanted = found.filter(
    (name, i) => name === columns.image || name === columns.caption || !holdsBytes(file.columns[i]!),
  );
  const table = { location, file, columns, wanted };
  return {
    name: nameOf(location),
    fingerprint: `${file.version} ${describeColumns(options)}`,
    folders: isRemote(location) ? [] : [dirname(location)],
    hasFiles: async () => !pictures.includes(columns.image) && startsWithFile(table),
    rows: () => rowsOf(table),
  };
}

interface Table {
  readonly location: string;
  readonly file: ParquetFile;
  readonly columns: Columns;
  /** Names of the columns that are read. */
  readonly wanted: readonly string[];
}

function isPicture(column: SchemaTree): boolean {
  return isBytes(column) || column.children.some((child) => child.element.name === "bytes" && isBytes(child));
}

/** Bytes that stand for no text, number or time. */
function isBytes({ element, children }: SchemaTree): boolean {
  const { type, converted_type, logical_type } = element;
  return children.length === 0 && type === "BYTE_ARRAY" && converted_type === undefined && logical_type === undefined;
}

function holdsBytes(column: SchemaTree): boolean {
  return isBytes(column) || column.children.some(holdsBytes);
}

async function startsWithFile({ location, file, columns }: Table): Promise<boolean> {
  const [group] = file.groups;
  if (group === undefined) return true;
  const names = await file.read(columns.image, { start: 0, end: Math.min(100, group.end) });
  const pictures = [...names].map((name) => pictureOf(name, location));
  return pictures.find((picture) => picture !== undefined)?.kind !== "url";
}

/** The values of a group of rows are read when the first of them is, and let go with the last. */
async function* rowsOf(table: Table): AsyncGenerator<Row> {
  const { location, file, wanted } = table;
  for (const { start, end } of file.groups) {
    const group = once(() => Promise.all(wanted.map((column) => file.read(column, { start, end }))));
    for (let row = start; row < end; row++) {
      const read = async (): Promise<Contents> => {
        const values = (await group()).map((column) => column[row - start]);
        return contentsOf(values, table);
      };
      yield { where: `${nameOf(location)}:${row + 1}`, read };
    }
  }
}

function contentsOf(values: readonly unknown[], { location, columns, wanted }: Table): Contents {
  const {
    [columns.image]: picture,
    [columns.caption]: caption,
    ...more
  } = Object.fromEntries(wanted.map((name, i) => [name, values[i]]));
  return {
    picture: pictureOf(picture, location),
    captions: captionsOf(asText(caption)),
    more: plain(more) as Contents["more"],
  };
}

function pictureOf(value: unknown, location: string): Picture | undefined {
  if (typeof value === "string") return pictureNamed(value, location);
  if (value instanceof Uint8Array) return { kind: "bytes", bytes: value };
  if (typeof value !== "object" || value === null) return undefined;
  const { bytes, path } = value as { readonly bytes?: unknown; readonly path?: unknown };
  const name = asText(path);
  if (bytes instanceof Uint8Array) return { kind: "bytes", bytes, ...(typeof name === "string" && { name }) };
  return typeof name === "string" ? pictureNamed(name, location) : undefined;
}

/** Some writers do not say of texts that they are any. */
function asText(value: unknown): unknown {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
}

/** A value as JSON can say it: whole numbers beyond 2^53 as texts, times in ISO 8601, no bytes. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return undefined;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** Does the work when it is first asked for. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    return result;
  };
}
