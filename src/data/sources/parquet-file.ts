// A Parquet file, wherever it lies, by columns and groups of rows.
import {
  type AsyncBuffer,
  type DecodedArray,
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
  const file: AsyncBuffer = {
    byteLength: size,
    slice: async (start, end = size) => {
      const bytes = await storageOf(location).read(location, { offset: start, length: end - start, version });
      const { buffer, byteOffset, byteLength } = bytes;
      const isWhole = byteLength === buffer.byteLength;
      return (isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer;
    },
  };
  return explained(location, async () => {
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    // What is no text must stay bytes: `utf8` would decode it as if it were.
    const scan = await parquetScan({ file, metadata, compressors, utf8: false, parsers: { jsonFromBytes: jsonOf } });
    return {
      version,
      columns: parquetSchema(metadata).children,
      groups: groupsOf(metadata.row_groups.map(({ num_rows }) => Number(num_rows))),
      read: (column, { start, end }) =>
        explained(location, async () => {
          const values = await scan.readColumn({ column, rowStart: start, rowEnd: end });
          if (values.length === end - start) return values;
          throw new Error(`column ${column} has ${values.length} values where ${end - start} are expected`);
        }),
    };
  });
}

function groupsOf(lengths: readonly number[]): Rows[] {
  let start = 0;
  return lengths.map((length) => {
    const group = { start, end: start + length };
    start = group.end;
    return group;
  });
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
    const { message } = error as Error;
    throw new Error(`${location}: cannot be read as Parquet: ${message}`, { cause: error });
  }
}
