// What pictures with captions can come as, before they are shards.
import { statSync } from "node:fs";
import { extname } from "node:path";
import type { FaultCause } from "../faults.ts";
import { folderSource } from "./folder.ts";
import { isUrl, tableSource } from "./table.ts";

/** One picture and what belongs to it. */
export interface Row {
  /** Where it stands in the source, for messages: "pictures.csv:17". */
  readonly where: string;
  /** Path of the picture file. */
  readonly picture: string;
  /** Several may be given for one picture; none is a fault. */
  readonly captions: readonly string[];
  /** All else that the source says of it: licence, author, label. */
  readonly more: Readonly<Record<string, unknown>>;
}

export interface Source {
  /** Changes when the source does. */
  readonly fingerprint: string;
  rows(): AsyncIterable<Row>;
}

export interface SourceOptions {
  /** Column of the pictures' paths; found by its name when absent. */
  readonly imageColumn?: string | undefined;
  /** Column of the captions; found by its name when absent. */
  readonly captionColumn?: string | undefined;
}

/** A folder of pictures, or a table (.csv, .tsv, .jsonl) of their paths. */
export function openSource(path: string, options: SourceOptions): Source {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new Error(`${path} does not exist: a folder of pictures or a table of their paths is expected`);
  if (found.isDirectory()) return folderSource(path);
  const kind = extname(path).toLowerCase();
  if (kind === ".csv" || kind === ".tsv" || kind === ".jsonl") return tableSource(path, { ...options, kind });
  throw new Error(
    `${path}: expected a folder, .csv, .tsv or .jsonl, got ${kind === "" ? "a file without an ending" : kind}`,
  );
}

/** What keeps a row from being a sample. */
export function lackOf({ picture, captions }: Row): { cause: FaultCause; detail: string } | undefined {
  if (picture === "") return { cause: "no-picture", detail: "no picture is named" };
  if (isUrl(picture)) return { cause: "no-picture", detail: `${picture} is not a local file` };
  if (captions.length === 0) return { cause: "no-caption", detail: "there is no caption" };
  // What stands for bytes that are no UTF-8.
  if (captions.some((text) => text.includes("\uFFFD") || !text.isWellFormed()))
    return { cause: "bad-caption", detail: "the caption is not UTF-8" };
  return undefined;
}
