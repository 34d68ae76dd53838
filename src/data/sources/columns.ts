// The columns of a table, and what stands in them.
import { dirname, resolve } from "node:path";
import { isRemote } from "../storage/index.ts";
import type { Picture, SourceOptions } from "./source.ts";

/** Names by which a column is found, the first that is there, in small letters: OpenCLIP's own, then what people write. */
const imageNames = [
  ...["filepath", "image", "image_path", "path", "file", "file_name", "filename", "img", "jpg", "png", "webp"],
  ...["url", "image_url"],
];
const captionNames = ["title", "caption", "captions", "text", "txt", "description"];

export interface Columns {
  readonly image: string;
  readonly caption: string;
}

interface Choice {
  /** Names of all columns. */
  readonly found: readonly string[];
  readonly options: SourceOptions;
  /** Columns that hold pictures whatever they are called. */
  readonly pictures?: readonly string[];
}

/** @throws when there is no such column. */
export function columnsOf(location: string, { found, options, pictures = [] }: Choice): Columns {
  const byName = (names: readonly string[]): string | undefined =>
    names.map((name) => found.find((column) => column.toLowerCase() === name)).find((column) => column !== undefined);
  const choose = (what: string, column: string | undefined, wanted: string): string => {
    if (column !== undefined && found.includes(column)) return column;
    throw new Error(`${location}: expected a column of ${what}, ${wanted} (--${what}-column), got ${found.join(", ")}`);
  };
  const wantedOf = (given: string | undefined, names: readonly string[]): string =>
    given === undefined ? `one of ${names.join(", ")}` : `"${given}"`;
  const { imageColumn, captionColumn } = options;
  return {
    image: choose("image", imageColumn ?? byName(imageNames) ?? pictures[0], wantedOf(imageColumn, imageNames)),
    caption: choose("caption", captionColumn ?? byName(captionNames), wantedOf(captionColumn, captionNames)),
  };
}

/** A part of a source's fingerprint. */
export function describeColumns({ imageColumn = "", captionColumn = "" }: SourceOptions): string {
  return `${imageColumn} ${captionColumn}`;
}

/** A text, or a list of them. */
export function captionsOf(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((one): one is string => typeof one === "string" && one.trim() !== "").map((one) => one.trim());
}

/** The picture that a table names. A path in a table is one from the table's own folder. */
export function pictureNamed(name: string, table: string): Picture | undefined {
  const text = name.trim();
  if (text === "") return undefined;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { kind: "url", url: text };
  return isRemote(table)
    ? { kind: "url", url: urlBeside(table, text) }
    : { kind: "file", path: resolve(dirname(table), text) };
}

/** Keys of S3 are taken as they are, with all their signs; in a URL some mean other things. */
function urlBeside(table: string, path: string): string {
  if (table.startsWith("s3://")) return `${dirname(table)}/${path}`;
  return new URL(path.split("/").map(encodeURIComponent).join("/"), table).href;
}
