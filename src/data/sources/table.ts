// A table with a row for each picture: its path or URL, its caption, and whatever else is known of it.
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { nameOf } from "../shards/file.ts";
import { isRemote, StorageError, storageOf } from "../storage/index.ts";
import { type Columns, captionsOf, columnsOf, describeColumns, pictureNamed } from "./columns.ts";
import type { Contents, PlaceSource, Row, SourceOptions } from "./source.ts";

export interface TableOptions extends SourceOptions {
  readonly kind: ".csv" | ".tsv" | ".jsonl";
}

/** Of one row: a quote that is never closed would else take the rest of the file for one. */
const mostBytes = 16 * 2 ** 20;

/** A line of the table and what stands in it. */
interface Line {
  readonly number: number;
  readonly values: Readonly<Record<string, unknown>>;
}

export async function tableSource(location: string, options: TableOptions): Promise<PlaceSource> {
  const { version } = await storageOf(location).stat(location);
  return {
    name: nameOf(location),
    fingerprint: `${version} ${describeColumns(options)}`,
    folders: isRemote(location) ? [] : [dirname(location)],
    hasFiles: () => startsWithFile(location, options),
    rows: () => rowsOf(location, options),
  };
}

async function startsWithFile(location: string, options: TableOptions): Promise<boolean> {
  for await (const row of rowsOf(location, options)) {
    const { picture } = await row.read();
    if (picture !== undefined) return picture.kind === "file";
  }
  return true;
}

async function* rowsOf(location: string, options: TableOptions): AsyncGenerator<Row> {
  const name = nameOf(location);
  let columns: Columns | undefined;
  for await (const { number, values } of linesOf(location, options.kind)) {
    columns ??= columnsOf(location, { found: Object.keys(values), options });
    const { [columns.image]: picture, [columns.caption]: caption, ...more } = values;
    const contents: Contents = {
      picture: typeof picture === "string" ? pictureNamed(picture, location) : undefined,
      captions: captionsOf(caption),
      more,
    };
    yield { where: `${name}:${number}`, read: async () => contents };
  }
}

function linesOf(location: string, kind: TableOptions["kind"]): AsyncGenerator<Line> {
  return kind === ".jsonl" ? jsonLines(location) : csvLines(location, kind === ".tsv" ? "\t" : ",");
}

async function* csvLines(location: string, delimiter: string): AsyncGenerator<Line> {
  const parser = parse({
    ...{ columns: true, delimiter, bom: true, info: true, skip_empty_lines: true, max_record_size: mostBytes },
  });
  // Whoever reads from the parser meets the failure.
  pipeline(Readable.from(storageOf(location).stream(location)), parser).catch(() => {});
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Line["values"]; info: { lines: number } }>)
      yield { number: info.lines, values: record };
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new Error(`${location}: ${(error as Error).message}`, { cause: error });
  }
}

async function* jsonLines(location: string): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of textLines(location)) {
    number++;
    if (text.trim() !== "") yield { number, values: objectIn(text, `${location}:${number}`) };
  }
}

async function* textLines(location: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of storageOf(location).stream(location)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop()!;
    if (rest.length > mostBytes) throw new Error(`${location}: a line has more than ${mostBytes} bytes`);
    yield* lines;
  }
  yield rest + decoder.decode();
}

function objectIn(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${where}: expected a JSON object, got ${text.slice(0, 60)}`);
}
