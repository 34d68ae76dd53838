// A table with a row for each picture: its path, its caption, and whatever else is known of it.
import { createReadStream, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parse } from "csv-parse";
import type { Row, Source, SourceOptions } from "./source.ts";

export interface TableOptions extends SourceOptions {
  readonly kind: ".csv" | ".tsv" | ".jsonl";
}

/** Names by which a column is found, the first that is there: OpenCLIP's own, then what people write. */
const imageNames = ["filepath", "image", "image_path", "path", "file", "file_name", "filename"];
const captionNames = ["title", "caption", "captions", "text", "description"];

/** Of one row: a quote that is never closed would else take the rest of the file for one. */
const mostBytes = 16 * 2 ** 20;

/** A line of the table and what stands in it. */
interface Line {
  readonly number: number;
  readonly values: Readonly<Record<string, unknown>>;
}

export function tableSource(path: string, options: TableOptions): Source {
  const { size, mtimeMs } = statSync(path);
  const { imageColumn = "", captionColumn = "" } = options;
  return { fingerprint: `${size} ${mtimeMs} ${imageColumn} ${captionColumn}`, rows: () => rowsOf(path, options) };
}

async function* rowsOf(path: string, options: TableOptions): AsyncGenerator<Row> {
  const name = basename(path);
  let columns: { image: string; caption: string } | undefined;
  const lines = options.kind === ".jsonl" ? jsonLines(path) : csvLines(path, options.kind === ".tsv" ? "\t" : ",");
  for await (const { number, values } of lines) {
    columns ??= columnsOf(path, { values, options });
    const { [columns.image]: picture, [columns.caption]: caption, ...more } = values;
    const file = typeof picture === "string" ? picture.trim() : "";
    // A path in a table is one from the table's own folder.
    const isPath = file !== "" && !isUrl(file);
    yield {
      where: `${name}:${number}`,
      picture: isPath ? resolve(dirname(path), file) : file,
      captions: captionsOf(caption),
      more,
    };
  }
}

export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

function columnsOf(
  path: string,
  { values, options }: { values: Line["values"]; options: TableOptions },
): { image: string; caption: string } {
  const found = Object.keys(values);
  const choose = (what: string, given: string | undefined, names: readonly string[]): string => {
    const column = given ?? names.find((name) => found.includes(name));
    if (column !== undefined && found.includes(column)) return column;
    const wanted = given === undefined ? `one of ${names.join(", ")}` : `"${given}"`;
    throw new Error(`${path}: expected a column of ${what}, ${wanted} (--${what}-column), got ${found.join(", ")}`);
  };
  return {
    image: choose("image", options.imageColumn, imageNames),
    caption: choose("caption", options.captionColumn, captionNames),
  };
}

/** A text, or a list of them. */
function captionsOf(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((one): one is string => typeof one === "string" && one.trim() !== "").map((one) => one.trim());
}

async function* csvLines(path: string, delimiter: string): AsyncGenerator<Line> {
  const parser = createReadStream(path).pipe(
    parse({ columns: true, delimiter, bom: true, info: true, skip_empty_lines: true, max_record_size: mostBytes }),
  );
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Line["values"]; info: { lines: number } }>)
      yield { number: info.lines, values: record };
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function* jsonLines(path: string): AsyncGenerator<Line> {
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (text.trim() !== "") yield { number, values: objectIn(text, `${path}:${number}`) };
  }
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
