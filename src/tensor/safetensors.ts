// The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, then the data.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { type DType, dtypes } from "./dtype.ts";
import { fromFile, type Tensor } from "./ops.generated.ts";

export type NamedTensors = ReadonlyMap<string, Tensor>;

export interface SafetensorsFile {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const maxHeaderBytes = 100_000_000; // the format's own limit
const typeOfName = new Map(Object.entries(dtypes).map(([dtype, { safetensors }]) => [safetensors, dtype as DType]));

/**
 * Maps a file into memory and gives its tensors as views of it. They are private: writing to one changes no file.
 * Throws an error that names the file when its header is cut off, is not JSON, or describes data that is not there.
 */
export function readSafetensors(path: string): SafetensorsFile {
  const { header, dataStart, fileBytes } = readHeader(path);
  const { entries, metadata } = parseHeader(header, fileBytes - dataStart, path);
  const tensors = new Map<string, Tensor>();
  if (entries.length === 0) return { tensors, metadata };
  const file = fromFile(path, { shared: false, size: fileBytes, dtype: "uint8" });
  for (const entry of entries) tensors.set(entry.name, view(file, entry, dataStart));
  file.free();
  return { tensors, metadata };
}

function view(file: Tensor, entry: Entry, dataStart: number): Tensor {
  const bytes = file.narrow(0, dataStart + entry.begin, entry.end - entry.begin);
  // Data that does not begin at a multiple of its element size cannot be viewed in place.
  const aligned = (dataStart + entry.begin) % dtypes[entry.dtype].bytes === 0 ? bytes : bytes.clone();
  const typed = aligned.viewAs(entry.dtype);
  const shaped = typed.view(entry.shape);
  for (const part of new Set([bytes, aligned, typed])) part.free();
  return shaped;
}

function readHeader(path: string): { header: string; dataStart: number; fileBytes: number } {
  const file = openSync(path, "r");
  try {
    const fileBytes = fstatSync(file).size;
    if (fileBytes < 8) throw new Error(`${path}: expected a safetensors file, got ${fileBytes} bytes`);
    const prefix = Buffer.alloc(8);
    readSync(file, prefix, 0, 8, 0);
    const length = prefix.readBigUInt64LE(0);
    if (length > BigInt(maxHeaderBytes) || Number(length) > fileBytes - 8)
      throw new Error(
        `${path}: the header says it has ${length} bytes, the file has ${fileBytes - 8} after its first 8`,
      );
    const header = Buffer.alloc(Number(length));
    readSync(file, header, 0, header.length, 8);
    return { header: header.toString("utf8"), dataStart: 8 + header.length, fileBytes };
  } finally {
    closeSync(file);
  }
}

function parseHeader(
  header: string,
  dataBytes: number,
  path: string,
): { entries: Entry[]; metadata: Record<string, string> } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(header);
  } catch {
    throw new Error(`${path}: the safetensors header is not valid JSON`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new Error(`${path}: the safetensors header is not a JSON object`);
  const { __metadata__: metadata = {}, ...rest } = parsed as Record<string, unknown>;
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(name, value, path));
  checkLayout(entries, dataBytes, path);
  return { entries, metadata: metadata as Record<string, string> };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseEntry(name: string, value: unknown, path: string): Entry {
  const { dtype: typeName, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const dtype = typeOfName.get(String(typeName));
  if (dtype === undefined)
    throw new Error(`${path}: tensor ${name} has the element type ${String(typeName)}, which is not supported`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw new Error(`${path}: tensor ${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0]! > offsets[1]!)
    throw new Error(`${path}: tensor ${name} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, dtypes[dtype].bytes);
  if (bytes !== end - begin)
    throw new Error(`${path}: tensor ${name} needs ${bytes} bytes, its data_offsets give ${end - begin}`);
  return { name, dtype, shape, begin, end };
}

/** The format asks for data without holes or overlaps that fills the file. */
function checkLayout(entries: readonly Entry[], dataBytes: number, path: string): void {
  let position = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== position) throw new Error(`${path}: tensor ${name} begins at ${begin}, expected ${position}`);
    position = end;
  }
  if (position !== dataBytes)
    throw new Error(`${path}: the tensors need ${position} bytes of data, the file holds ${dataBytes}`);
}

/** Writes tensors (of any device, in any layout) to a new file and syncs it; the file is whole only when this returns. */
export function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): void {
  let position = 0;
  // Larger elements first, so that every tensor begins at a multiple of its element size.
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => dtypes[y.dtype].bytes - dtypes[x.dtype].bytes || (a < b ? -1 : 1),
  );
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  for (const [name, tensor] of sorted) {
    const { bytes, safetensors } = dtypes[tensor.dtype];
    const end = position + bytes * tensor.numel;
    header[name] = { dtype: safetensors, shape: tensor.shape, data_offsets: [position, end] };
    position = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, " ");
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(path, "w");
  try {
    writeAll(file, length);
    writeAll(file, padded);
    for (const [, tensor] of sorted) writeAll(file, tensor.data());
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: NodeJS.ArrayBufferView): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let written = 0; written < view.length; )
    written += writeSync(file, view, written, Math.min(view.length - written, 1 << 30));
}
