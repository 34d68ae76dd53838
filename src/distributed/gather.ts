// What processes have in different amounts, brought together: rows of matrices, plain values, and work that may fail on one of them.
import { cat, fromBuffer, scope, type Tensor, tensor, zeros } from "../tensor/index.ts";
import type { ProcessGroup } from "./process-group.ts";

/**
 * The rows [n, d] of all processes, of which each has a number of its own, in the order of ranks: [sum of n, d], without gradient.
 * A process without rows need not know d. The sizes are exchanged first; then shorter ones are padded to the longest. `name` is what
 * both are counted under.
 */
export function gatherRows(group: ProcessGroup, { rows, name }: { rows: Tensor; name: string }): Tensor {
  if (group.size === 1) return rows.detach();
  return scope(() => {
    const sizes = group.allGather(shapeOf(rows), name).toArray();
    const counts = sizes.filter((_, i) => i % 2 === 0);
    const width = commonWidth(sizes, name);
    if (width === undefined) return rows.detach();
    const most = Math.max(...counts);
    const all = group.allGather(padded(rows, [most, width]), name);
    if (counts.every((count) => count === most)) return all;
    return cat(counts.map((count, rank) => all.narrow(0, rank * most, count)));
  });
}

/** [1, 2]: n and d, where the rows are. */
function shapeOf(rows: Tensor): Tensor {
  return tensor(rows.shape, { shape: [1, 2], dtype: "int64" }).toDevice(rows.device, "int64");
}

/** Of the pairs (n, d) of all ranks that have rows; undefined when none has. */
function commonWidth(sizes: readonly number[], name: string): number | undefined {
  const ranks = Array.from({ length: sizes.length / 2 }, (_, rank) => rank).filter((rank) => sizes[2 * rank]! > 0);
  const widthOf = (rank: number): number => sizes[2 * rank + 1]!;
  const [first, ...others] = ranks;
  if (first === undefined) return undefined;
  const odd = others.find((rank) => widthOf(rank) !== widthOf(first));
  if (odd === undefined) return widthOf(first);
  throw new TypeError(
    `${name}: expected rows of one length, got ${widthOf(first)} from rank ${first} and ${widthOf(odd)} from rank ${odd}`,
  );
}

function padded(rows: Tensor, [most, width]: [number, number]): Tensor {
  const count = rows.size(0);
  if (count === most) return rows;
  const whole = zeros([most, width], { dtype: rows.dtype, device: rows.device });
  if (count > 0) whole.narrow(0, 0, count).copy_(rows.detach());
  return whole;
}

/** Every process' value, plain JSON, in the order of ranks. */
export function gatherJson<T>(group: ProcessGroup, { value, name }: { value: T; name: string }): T[] {
  if (group.size === 1) return [value];
  return scope(() => {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    const rows = fromBuffer(new Uint8Array(line), { shape: [line.length, 1] });
    const text = Buffer.from(gatherRows(group, { rows, name }).data() as Uint8Array).toString();
    return text.split("\n", group.size).map((one) => JSON.parse(one) as T);
  });
}

/** What a process does of a common work, without a collective. */
export interface Part<T> {
  readonly name: string;
  readonly part: () => Promise<T>;
  /** Gives back what the part has made, when that of another process has failed. */
  readonly undo?: (made: T) => void;
}

/**
 * Has every process do its part. When parts fail, all processes throw the error of the first of them: none is left waiting for one
 * that has given up, and the group can still be used.
 */
export async function together<T>(group: ProcessGroup, { name, part, undo }: Part<T>): Promise<T> {
  const { made, error } = await part().then(
    (result) => ({ made: result, error: undefined }),
    (reason: Error) => ({ made: undefined, error: reason }),
  );
  try {
    const failures = gatherJson(group, { value: error?.message ?? null, name });
    const first = failures.findIndex((message) => message !== null);
    if (error === undefined && first < 0) return made;
    throw error !== undefined && first === group.rank ? error : new Error(failures[first]!);
  } catch (failure) {
    if (error === undefined) undo?.(made);
    throw failure;
  }
}

/** The rows that all processes' parts have made, [sum of n, d], in the order of ranks. */
export async function gatherParts(
  group: ProcessGroup,
  { name, part }: Pick<Part<Tensor>, "name" | "part">,
): Promise<Tensor> {
  const rows = await together(group, { name, part, undo: (made) => made.free() });
  try {
    return gatherRows(group, { rows, name });
  } finally {
    rows.free();
  }
}
