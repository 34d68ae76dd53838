// Writing of safetensors files; safetensors.ts reads them and tells of the format.
import { renameSync, rmSync } from "node:fs";
import { native } from "../native/addon.ts";
import { dtypes } from "./dtype.ts";
import { partBytes, writeHashed } from "./hashed-file.ts";
import type { Tensor } from "./ops.generated.ts";
import type { NamedTensors } from "./safetensors.ts";

/**
 * Writes tensors (of any device, in any layout) to a temporary file beside `path`, syncs it and renames it, so that `path` is
 * whole or is what it was, and tensors that are mapped from an older `path` stay good. The tensors must stay what they are until it is
 * done. Of what is not on the CPU or not contiguous, 1 MiB at a time is copied. Returns the SHA-256 of the file in hexadecimal.
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  if (tensors.has("__metadata__")) throw new Error(`${path}: a tensor cannot be named __metadata__ in safetensors`);
  // Larger elements first, so that every tensor begins at a multiple of its element size.
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => dtypes[y.dtype].bytes - dtypes[x.dtype].bytes || (a < b ? -1 : 1),
  );
  const partial = `${path}.${process.pid}.partial`;
  try {
    const hash = await writeHashed(partial, async (file) => {
      await file.write(headerBytes(sorted, metadata));
      for (const [, tensor] of sorted) {
        const { bytes } = dtypes[tensor.dtype];
        for (const part of parts(tensor, partBytes / bytes))
          await file.put(part.numel * bytes, (target) => native.copyOut(part.handle, target));
      }
    });
    renameSync(partial, path);
    return hash;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function headerBytes(tensors: readonly [string, Tensor][], metadata: Readonly<Record<string, string>>): Buffer {
  let position = 0;
  const entries = tensors.map(([name, tensor]): [string, unknown] => {
    const { bytes, safetensors } = dtypes[tensor.dtype];
    const begin = position;
    position += bytes * tensor.numel;
    return [name, { dtype: safetensors, shape: tensor.shape, data_offsets: [begin, position] }];
  });
  const named = Object.keys(metadata).length > 0 ? [["__metadata__", metadata] as const, ...entries] : entries;
  // Not by assignment: a tensor may be named __proto__.
  const json = Buffer.from(JSON.stringify(Object.fromEntries(named)));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);
  return padded;
}

/** Views of at most `limit` elements that make up the tensor in row-major order; each lives until the next. */
function* parts(tensor: Tensor, limit: number): Generator<Tensor> {
  if (tensor.numel <= limit) {
    yield tensor;
    return;
  }
  const rows = tensor.size(0);
  const together = Math.floor((limit * rows) / tensor.numel);
  for (let row = 0; row < rows; row += Math.max(1, together)) {
    const view = together === 0 ? tensor.select(0, row) : tensor.narrow(0, row, Math.min(together, rows - row));
    try {
      yield* parts(view, limit);
    } finally {
      view.free();
    }
  }
}
