// Files and folders that are whole or not there, also after a power cut.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

/**
 * Makes a folder in one piece: `fill` writes its files under a temporary name beside it; when all are on the disk, it takes its
 * name. A folder of that name is replaced. What a killed process left half-made is never seen under the name.
 */
export async function writeFolder(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${folder}.partial-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    await fill(temporary);
    nameFolder(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Gives a folder whose files are all written its name, once they are on the disk. A folder of that name is replaced. */
export function nameFolder(temporary: string, folder: string): void {
  for (const name of readdirSync(temporary)) sync(join(temporary, name));
  sync(temporary);
  if (existsSync(folder)) rmSync(folder, { recursive: true });
  renameSync(temporary, folder);
  sync(dirname(folder));
}

/** Writes a file in one piece. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.partial-${process.pid}`;
  writeFileSync(temporary, text);
  sync(temporary);
  renameSync(temporary, path);
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

const copyChunk = 4 * 1024 * 1024;

/**
 * Copies a file and leaves holes where it holds zeros: a table of which little was written takes little disk. `onBytes` is shown all bytes
 * in their order.
 */
export function copySparse(from: string, to: string, onBytes?: (bytes: Uint8Array) => void): void {
  const [source, target] = [openSync(from, "r"), openSync(to, "w")];
  try {
    const { size } = fstatSync(source);
    const [chunk, zeros] = [Buffer.alloc(copyChunk), Buffer.alloc(copyChunk)];
    for (let position = 0; position < size; ) {
      const length = readSync(source, chunk, 0, copyChunk, position);
      if (length === 0) throw new Error(`${from} became shorter while it was copied`);
      const bytes = chunk.subarray(0, length);
      const isHole = bytes.equals(zeros.subarray(0, length));
      if (!isHole) writeAt(target, { bytes, position });
      onBytes?.(bytes);
      position += length;
    }
    ftruncateSync(target, size);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function writeAt(file: number, { bytes, position }: { bytes: Buffer; position: number }): void {
  for (let written = 0; written < bytes.length; )
    written += writeSync(file, bytes, written, bytes.length - written, position + written);
}
