import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import type { Fault, FaultCause } from "./faults.ts";
import { scanTar, type TarEntry, type TarProblem } from "./tar/read.ts";

/**
 * Where each sample of one shard lies. Held in shared memory, so that threads share one copy: 64 bytes and the key for a sample.
 */
export interface ShardIndex {
  readonly path: string;
  /** File name, for messages. */
  readonly name: string;
  /** Size of the shard file in bytes. */
  readonly bytes: number;
  /** When the shard was last changed, in milliseconds since 1970. */
  readonly modified: number;
  /** Number of whole samples. */
  readonly count: number;
  /** [count, columnCount], see `column`. */
  readonly rows: Float64Array;
  /** The keys in UTF-8, one behind the other. */
  readonly keys: Uint8Array;
}

/** Columns of `ShardIndex.rows`. A size of 0 says that the sample has no such member. */
export const column = {
  imageOffset: 0,
  imageSize: 1,
  textOffset: 2,
  textSize: 3,
  jsonOffset: 4,
  jsonSize: 5,
  /** Position in `imageExtensions`. */
  extension: 6,
  /** Where the key ends in `keys`. */
  keyEnd: 7,
} as const;
export const columnCount = 8;

/** Members that count as the sample's picture; the first of them that a sample has. */
export const imageExtensions: readonly string[] = ["jpg", "png", "jpeg", "webp", "gif", "tif", "tiff", "avif"];

/** Larger members are refused before anything is read. */
const largest: Readonly<Record<"image" | "txt" | "json", number>> = {
  image: 256 * 1024 * 1024,
  txt: 1024 * 1024,
  json: 16 * 1024 * 1024,
};

/** Consecutive entries that share a key. */
interface Group {
  key: string;
  members: Map<string, TarEntry>;
  problem: { cause: FaultCause; detail: string } | undefined;
}

export interface IndexOptions {
  path: string;
  /** Take the caption from this key of the sample's JSON instead of its .txt. */
  captionKey?: string | undefined;
}

/**
 * Finds the samples of a shard from its headers. A sample is a run of consecutive entries whose path is the same up to the first
 * dot of the file name (WebDataset's rule). What is not a whole sample is reported, not indexed.
 */
export async function indexShard(options: IndexOptions): Promise<{ index: ShardIndex; faults: Fault[] }> {
  const file = await open(options.path);
  try {
    const { size, mtimeMs } = await file.stat();
    const builder = new IndexBuilder(basename(options.path), options.captionKey);
    const read = (offset: number, length: number): Promise<Uint8Array> => readAt(file, offset, length);
    for await (const item of scanTar({ size, read })) builder.add(item);
    const { faults, ...table } = builder.finish();
    return { index: { path: options.path, name: builder.shard, bytes: size, modified: mtimeMs, ...table }, faults };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

/** WebDataset's split of an entry's path: folder and file name up to the first dot, and what follows it, in lower case. */
export function splitName(name: string): { key: string; extension: string } | undefined {
  const start = name.lastIndexOf("/") + 1;
  const dot = name.indexOf(".", start);
  return dot > start ? { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() } : undefined;
}

class IndexBuilder {
  readonly shard: string;
  readonly #captionKey: string | undefined;
  readonly #seen = new Set<string>();
  readonly #faults: Fault[] = [];
  readonly #rows: number[] = [];
  readonly #keys: Buffer[] = [];
  #keyBytes = 0;
  #group: Group | undefined;

  constructor(shard: string, captionKey: string | undefined) {
    this.shard = shard;
    this.#captionKey = captionKey;
  }

  add(item: TarEntry | TarProblem): void {
    const name = item.name === undefined ? undefined : splitName(item.name);
    if (item.kind === "problem") {
      if (name) this.#groupOf(name.key).problem ??= { cause: item.cause, detail: item.message };
      else this.#fault(item.cause, undefined, item.message);
      return;
    }
    if (!name) return;
    const group = this.#groupOf(name.key);
    if (group.members.has(name.extension)) {
      this.#fault("duplicate-key", name.key, `a second ${item.name} follows the first, which is kept`);
    } else {
      group.members.set(name.extension, item);
    }
  }

  finish(): Pick<ShardIndex, "count" | "rows" | "keys"> & { faults: Fault[] } {
    this.#close();
    const rows = new Float64Array(new SharedArrayBuffer(8 * this.#rows.length));
    rows.set(this.#rows);
    const keys = new Uint8Array(new SharedArrayBuffer(this.#keyBytes));
    keys.set(Buffer.concat(this.#keys));
    return { count: this.#keys.length, rows, keys, faults: this.#faults };
  }

  #groupOf(key: string): Group {
    if (this.#group?.key !== key) {
      this.#close();
      this.#group = { key, members: new Map(), problem: undefined };
    }
    return this.#group!;
  }

  #close(): void {
    const group = this.#group;
    this.#group = undefined;
    if (!group) return;
    const repeated = this.#seen.has(group.key);
    this.#seen.add(group.key);
    const problem = group.problem ?? (repeated ? duplicate(group.key) : this.#lack(group));
    if (problem) this.#fault(problem.cause, group.key, problem.detail);
    else this.#append(group);
  }

  /** What keeps a group from being a sample. */
  #lack({ key, members }: Group): Group["problem"] {
    const image = imageOf(members);
    if (!image) return { cause: "no-picture", detail: `${key} has no picture (${[...members.keys()].join(", ")})` };
    if (image.size === 0) return { cause: "no-picture", detail: `${image.name} is empty` };
    const caption = members.get(this.#captionKey === undefined ? "txt" : "json");
    if (!caption)
      return { cause: "no-caption", detail: `${key} has no ${this.#captionKey === undefined ? ".txt" : ".json"}` };
    if (caption.size === 0) return { cause: "no-caption", detail: `${caption.name} is empty` };
    if (image.size > largest.image) return tooLarge("bad-picture", image, largest.image);
    for (const kind of ["txt", "json"] as const) {
      const member = members.get(kind);
      if (member && member.size > largest[kind]) return tooLarge("bad-caption", member, largest[kind]);
    }
    return undefined;
  }

  #append({ key, members }: Group): void {
    const image = imageOf(members)!;
    const text = members.get("txt");
    const json = members.get("json");
    const bytes = Buffer.from(key);
    this.#keys.push(bytes);
    this.#keyBytes += bytes.length;
    // In the order of `column`.
    this.#rows.push(image.offset, image.size, text?.offset ?? 0, text?.size ?? 0, json?.offset ?? 0, json?.size ?? 0);
    this.#rows.push(imageExtensions.indexOf(image.extension), this.#keyBytes);
  }

  #fault(cause: FaultCause, key: string | undefined, detail: string): void {
    this.#faults.push({ cause, shard: this.shard, key, message: `${this.shard}: ${detail}` });
  }
}

function imageOf(members: ReadonlyMap<string, TarEntry>): (TarEntry & { extension: string }) | undefined {
  const extension = imageExtensions.find((name) => members.has(name));
  return extension === undefined ? undefined : { ...members.get(extension)!, extension };
}

function duplicate(key: string): Group["problem"] {
  return { cause: "duplicate-key", detail: `${key} occurs a second time` };
}

function tooLarge(cause: FaultCause, member: TarEntry, limit: number): Group["problem"] {
  return { cause, detail: `${member.name} has ${member.size} bytes, more than the ${limit} allowed` };
}
