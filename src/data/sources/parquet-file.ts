// A Parquet file, wherever it lies, by columns and groups of rows.
import {
  type AsyncBuffer,
  type DecodedArray,
  type FileMetaData,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { StorageError, storageOf } from "../storage/index.ts";

/** Rows, from the first of the file: [start, end). */
interface Rows {
  readonly start: number;
  readonly end: number;
}

export interface ParquetFile {
  /** Another text when the contents are others. */
  readonly version: string;
  readonly columns: readonly SchemaTree[];
  /** Rows that were written together, and are best read together. */
  readonly groups: readonly Rows[];
  /** The values of a column, for rows of one group. */
  read(column: string, rows: Rows): Promise<DecodedArray>;
}

/** Reads the end of the file, where its columns and groups are described. @throws a sentence where it is damaged. */
export async function openParquet(location: string): Promise<ParquetFile> {
  const { size, version } = await storageOf(location).stat(location);
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    const bytes = await storageOf(location).read(location, { offset: start, length: end - start, version });
    const { buffer, byteOffset, byteLength } = bytes;
    const isWhole = byteLength === buffer.byteLength;
    return (isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer;
  };
  const slice: AsyncBuffer["slice"] = (start, end = size) => {
    const bytes = read(start, end);
    // Where columns are described wrongly, what was fetched ahead for them is not waited for.
    bytes.catch(() => {});
    return bytes;
  };
  const file: AsyncBuffer = { byteLength: size, slice };
  return explained(location, async () => {
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    // What is no text must stay bytes: `utf8` would decode it as if it were.
    const scan = await parquetScan({ file, metadata, compressors, utf8: false, parsers: { jsonFromBytes: jsonOf } });
    return {
      version,
      columns: columnsOf(metadata),
      groups: groupsOf(metadata),
      read: (column, { start, end }) =>
        explained(location, async () => {
          const values = await scan.readColumn({ column, rowStart: start, rowEnd: end });
          if (values.length === end - start) return values;
          throw new Error(`column ${column} has ${values.length} values where ${end - start} are expected`);
        }),
    };
  });
}

function columnsOf(metadata: FileMetaData): SchemaTree[] {
  const { children } = parquetSchema(metadata);
  if (children.every(({ element }) => typeof element.name === "string")) return children;
  throw new Error("a column has no name");
}

function groupsOf({ row_groups, num_rows }: FileMetaData): Rows[] {
  let start = 0;
  const groups = row_groups.map((group) => {
    const rows = { start, end: start + Number(group.num_rows) };
    start = rows.end;
    return rows;
  });
  if (start === Number(num_rows) && groups.every((group) => group.end >= group.start)) return groups;
  throw new Error(`its groups have ${start} rows where ${num_rows} are expected`);
}

function jsonOf(bytes: Uint8Array | undefined): unknown {
  const text = bytes && new TextDecoder().decode(bytes);
  try {
    return text && JSON.parse(text);
  } catch {
    return text;
  }
}

async function explained<T>(location: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new Error(`${location}: cannot be read as Parquet: ${problemOf(error as Error)}`, { cause: error });
  }
}

/** Where bytes are damaged the reader stumbles, and what it says then is about itself. */
function problemOf({ name, message }: Error): string {
  const isSentence = name === "Error" && /^(its|a column|column|parquet) /.test(message);
  return isSentence && !/undefined|null|NaN/.test(message) ? message : "it is damaged";
}
