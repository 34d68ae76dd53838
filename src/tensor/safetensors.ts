// The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, then the data.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type DType, dtypes } from "./dtype.ts";
import { fromFile, type Tensor } from "./ops.generated.ts";
import { scope } from "./scope.ts";

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
 * As with every mapped file, the process is killed by SIGBUS when another program cuts the file off while its tensors are in
 * use; replacing it by renaming another file over it, as `writeSafetensors` does, is safe.
 */
export function readSafetensors(path: string): SafetensorsFile {
  const { header, dataStart, fileBytes } = readHeader(path);
  const { entries, metadata } = parseHeader(header, fileBytes - dataStart, path);
  if (entries.length === 0) return { tensors: new Map(), metadata };
  const tensors = scope(() => {
    const file = fromFile(path, { shared: false, size: fileBytes, dtype: "uint8" });
    return new Map(entries.map((entry) => [entry.name, view(file, entry, dataStart)]));
  });
  return { tensors, metadata };
}

function view(file: Tensor, entry: Entry, dataStart: number): Tensor {
  const start = dataStart + entry.begin;
  const bytes = file.narrow(0, start, entry.end - entry.begin);
  // Data that does not begin at a multiple of its element size cannot be viewed in place.
  const aligned = start % dtypes[entry.dtype].bytes === 0 ? bytes : bytes.clone();
  return aligned.viewAs(entry.dtype).view(entry.shape);
}

function readHeader(path: string): { header: Buffer; dataStart: number; fileBytes: number } {
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
    return { header, dataStart: 8 + header.length, fileBytes };
  } finally {
    closeSync(file);
  }
}

function parseHeader(
  header: Buffer,
  dataBytes: number,
  path: string,
): { entries: Entry[]; metadata: Record<string, string> } {
  const parsed = parseJson(header, path);
  const { __metadata__: metadata = {}, ...rest } = parsed;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    throw new Error(`${path}: __metadata__ of the safetensors header is not an object of strings`);
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(name, value, path));
  checkLayout(entries, dataBytes, path);
  return { entries, metadata: metadata as Record<string, string> };
}

function parseJson(header: Buffer, path: string): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch {
    throw new Error(`${path}: the safetensors header is not valid JSON`);
  }
  if (!isObject(parsed) || !text.startsWith("{"))
    throw new Error(`${path}: the safetensors header is not a JSON object`);
  // JSON.parse keeps the last of two equal keys, and another reader may keep the first.
  const keys = Object.keys(parsed).length + Object.values(parsed).filter(isObject).flatMap(Object.keys).length;
  if (countMembers(text) !== keys) throw new Error(`${path}: the safetensors header names the same key twice`);
  return parsed;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The members of a JSON object and of the objects in it: each has one colon outside of strings. */
function countMembers(json: string): number {
  let colons = 0;
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '"') while (json[++i] !== '"') if (json[i] === "\\") i++;
    if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    else if (character === ":" && depth <= 2) colons++;
  }
  return colons;
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseEntry(name: string, value: unknown, path: string): Entry {
  const tensor = `${path}: tensor ${JSON.stringify(name)}`; // quoted: a name may hold a line break
  const { dtype: typeName, shape, data_offsets: offsets } = isObject(value) ? value : {};
  if (typeof typeName !== "string") throw new Error(`${tensor} has no valid dtype`);
  const dtype = typeOfName.get(typeName);
  if (dtype === undefined)
    throw new Error(`${tensor} has the element type ${JSON.stringify(typeName)}, which is not supported`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw new Error(`${tensor} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0]! > offsets[1]!)
    throw new Error(`${tensor} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, dtypes[dtype].bytes);
  if (bytes !== end - begin) throw new Error(`${tensor} needs ${bytes} bytes, its data_offsets give ${end - begin}`);
  return { name, dtype, shape, begin, end };
}

/** The format asks for data without holes or overlaps that fills the file. */
function checkLayout(entries: readonly Entry[], dataBytes: number, path: string): void {
  let position = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== position)
      throw new Error(`${path}: tensor ${JSON.stringify(name)} begins at ${begin}, expected ${position}`);
    position = end;
  }
  if (position !== dataBytes)
    throw new Error(`${path}: the tensors need ${position} bytes of data, the file holds ${dataBytes}`);
}
