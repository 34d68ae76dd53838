// Files of torch.save: a zip with a pickle that describes the tensors, and their memory beside it.
import { closeSync, openSync, readSync } from "node:fs";
import { dtypes } from "../dtype.ts";
import { fromFile, type Tensor } from "../ops.generated.ts";
import { scope } from "../scope.ts";
import { findGlobal, findStorage } from "./globals.ts";
import { unpickle } from "./pickle.ts";
import { findState } from "./state.ts";
import type { StoredTensor } from "./values.ts";
import { ZipFile } from "./zip.ts";

/** How a file of torch.save begins: as a zip, or (before PyTorch 1.6) with a pickle of protocol 2 that holds a magic number. */
const beginnings = { zip: "504b0304", old: "80028a0a6cfc9c46f9206aa850192e" };

/** Whether a file is one of torch.save, by its first bytes. */
export function isTorchFile(path: string): boolean {
  return startsWith(path, beginnings.zip) || startsWith(path, beginnings.old);
}

function startsWith(path: string, hex: string): boolean {
  const [expected, found, file] = [Buffer.from(hex, "hex"), Buffer.alloc(hex.length / 2), openSync(path, "r")];
  try {
    return readSync(file, found, 0, found.length, 0) === found.length && found.equals(expected);
  } finally {
    closeSync(file);
  }
}

/**
 * The state dict in a file of torch.save (PyTorch 1.6 and later): the file's own value, what a checkpoint of training holds as
 * "state_dict", or the parameters and buffers of a TorchScript archive. Only the tensors of the state dict are read: the file is
 * mapped into memory and they are private views of it, with the strides that they were saved with, after its checksums have been
 * found to hold. Nothing in the file is executed. Throws an error that names the file, and the global where one is not allowed.
 * As with `readSafetensors`, another program must not cut the file off while its tensors are in use.
 */
export function readTorchFile(path: string): Map<string, Tensor> {
  if (startsWith(path, beginnings.old))
    throw new Error(
      `${path}: was saved in the format from before PyTorch 1.6, which is not read; save it anew: torch.save(torch.load(OLD), NEW)`,
    );
  const zip = new ZipFile(path);
  try {
    return mapTensors(zip, describe(zip));
  } finally {
    zip.close();
  }
}

/** What the file says of itself: the folder that all its entries lie in, and the tensors of its state dict. */
interface Description {
  readonly root: string;
  readonly state: ReadonlyMap<string, StoredTensor>;
}

function describe(zip: ZipFile): Description {
  const pickles = [...zip.entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1)
    throw new Error(`${zip.path}: expected a file of torch.save, got a zip file with ${pickles.length} data.pkl`);
  const root = pickles[0]!.slice(0, -"data.pkl".length);
  const order = `${root}byteorder`;
  if (zip.entries.has(order) && zip.read(order).toString() !== "little")
    throw new Error(`${zip.path}: was saved on a machine with another order of bytes`);
  const options = { where: `${zip.path}: data.pkl`, global: findGlobal, persistent: findStorage };
  return { root, state: findState(unpickle(zip.read(pickles[0]!), options), zip.path) };
}

function mapTensors(zip: ZipFile, { root, state }: Description): Map<string, Tensor> {
  if (state.size === 0) return new Map();
  return scope(() => {
    const file = fromFile(zip.path, { shared: false, size: zip.size, dtype: "uint8" });
    return new Map([...state].map(([name, stored]) => [name, view(file, { name, stored, zip, root })]));
  });
}

function view(
  file: Tensor,
  { name, stored, zip, root }: { name: string; stored: StoredTensor; zip: ZipFile; root: string },
): Tensor {
  const { storage, dtype, offset, shape, strides } = stored;
  const { bytes } = dtypes[dtype];
  const entry = zip.locate(`${root}data/${storage.key}`);
  const elements = extent(shape, strides);
  const expected = storage.size * (storage.type.dtype === undefined ? 1 : dtypes[storage.type.dtype].bytes);
  const where = `${zip.path}: tensor ${JSON.stringify(name)}`;
  if (!Number.isSafeInteger(shape.reduce((product, size) => product * size, 1)))
    throw new Error(`${where} has more elements than can be counted`);
  if (entry.size !== expected) throw new Error(`${where}: its storage has ${entry.size} bytes, expected ${expected}`);
  if ((offset + elements) * bytes > entry.size)
    throw new Error(`${where} reaches past the ${entry.size} bytes of its storage`);
  const start = entry.offset + offset * bytes;
  const raw = file.narrow(0, start, elements * bytes);
  // Data that does not begin at a multiple of its element size cannot be viewed in place.
  const aligned = start % bytes === 0 ? raw : raw.clone();
  return aligned.viewAs(dtype).asStrided(shape, strides);
}

/** Elements from a tensor's first to its last in memory. */
function extent(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((reach, size, i) => reach + (size - 1) * strides[i]!, 1);
}
