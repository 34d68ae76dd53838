// What pictures with captions can come as, before they are shards.
import { statSync } from "node:fs";
import { extname } from "node:path";
import type { FaultCause } from "../faults.ts";
import { isRemote } from "../storage/index.ts";
import { folderSource } from "./folder.ts";
import { parquetSource } from "./parquet.ts";
import { tableSource } from "./table.ts";

/** Where the bytes of a picture are. */
export type Picture =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "url"; readonly url: string }
  /** In the source itself, with the name of the file that it was, where that is known. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly name?: string };

/** What a row says: one picture and what belongs to it. */
export interface Contents {
  /** undefined where none is named, which is a fault. */
  readonly picture: Picture | undefined;
  /** Several may be given for one picture; none is a fault. */
  readonly captions: readonly string[];
  /** All else that the source says of it: licence, author, label. */
  readonly more: Readonly<Record<string, unknown>>;
}

/** A row that may never be read: those of shards that are there already are passed over. */
export interface Row {
  /** Where it stands in the source, for messages: "pictures.csv:17". */
  readonly where: string;
  /** @throws SampleError where the row is damaged. */
  read(): Promise<Contents>;
}

export interface Source {
  /** File name, for messages. */
  readonly name: string;
  /** Changes when the source does. */
  readonly fingerprint: string;
  /** Folders of this machine where licences of the pictures may lie. */
  readonly folders: readonly string[];
  rows(): AsyncIterable<Row>;
}

/** A folder or a table. */
export interface PlaceSource extends Source {
  /** Whether the pictures are files of this machine, going by the first that is named. */
  hasFiles(): Promise<boolean>;
}

export interface SourceOptions {
  /** Column of the pictures; found by its name when absent. */
  readonly imageColumn?: string | undefined;
  /** Column of the captions; found by its name when absent. */
  readonly captionColumn?: string | undefined;
}

/** A folder of pictures, or a table (.csv, .tsv, .jsonl, .parquet) that names or holds them; tables may be URLs. */
export async function openSource(location: string, options: SourceOptions): Promise<PlaceSource> {
  if (!isRemote(location)) {
    const found = statSync(location, { throwIfNoEntry: false });
    if (found === undefined)
      throw new Error(`${location} does not exist: a folder of pictures or a table of their paths is expected`);
    if (found.isDirectory()) return folderSource(location);
  }
  const kind = extname(location).toLowerCase();
  if (kind === ".csv" || kind === ".tsv" || kind === ".jsonl") return tableSource(location, { ...options, kind });
  if (kind === ".parquet") return parquetSource(location, options);
  throw new Error(
    `${location}: expected a folder, .csv, .tsv, .jsonl, .parquet or .tar, got ${kind || "a file without an ending"}`,
  );
}

/** What keeps a row from being a sample, as far as it can be told without its picture. */
export function lackOf({ picture, captions }: Contents): { cause: FaultCause; detail: string } | undefined {
  if (picture === undefined) return { cause: "no-picture", detail: "no picture is named" };
  if (captions.length === 0) return { cause: "no-caption", detail: "there is no caption" };
  // What stands for bytes that are no UTF-8.
  if (captions.some((text) => text.includes("\uFFFD") || !text.isWellFormed()))
    return { cause: "bad-caption", detail: "the caption is not UTF-8" };
  return undefined;
}
