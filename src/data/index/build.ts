import { createHash } from "node:crypto";
import type { Fault, FaultCause } from "../faults.ts";
import { imageExtensions, splitName } from "../members.ts";
import type { TarEntry, TarProblem } from "../tar/read.ts";

/** Columns of an index: where the members of a sample lie. A size of -1 says that the sample has no such member. */
export const column = {
  imageOffset: 0,
  imageSize: 1,
  textOffset: 2,
  textSize: 3,
  jsonOffset: 4,
  jsonSize: 5,
  /** Position in `imageExtensions`. */
  extension: 6,
  /** Where the key lies in the blob. */
  keyOffset: 7,
  keyLength: 8,
} as const;
export const columnCount = 9;

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

/** Half-open ranges [start, end) of rows. */
export type Ranges = readonly (readonly [start: number, end: number])[];

/** What the headers of one shard say. */
export interface Built {
  /** [count, columnCount], see `column`. */
  readonly rows: readonly number[];
  /** The keys in UTF-8, one behind the other. */
  readonly keys: readonly Buffer[];
  /** What is no whole sample, each with the number of samples before it. */
  readonly faults: readonly (readonly [before: number, fault: Fault])[];
  /** Samples without a caption in their .txt, and without a .json. */
  readonly lacking: { readonly txt: Ranges; readonly json: Ranges };
  /** Of rows and keys. */
  readonly sha256: string;
}

/**
 * Gathers the samples of a shard from its entries. A sample is a run of consecutive entries whose path is the same up to the first
 * dot of the file name (WebDataset's rule), with a picture among them. What is no sample is a fault.
 */
export class IndexBuilder {
  readonly shard: string;
  readonly #seen = new Set<string>();
  readonly #faults: [number, Fault][] = [];
  readonly #rows: number[] = [];
  readonly #keys: Buffer[] = [];
  readonly #without: { txt: number[]; json: number[] } = { txt: [], json: [] };
  #keyBytes = 0;
  #group: Group | undefined;

  constructor(shard: string) {
    this.shard = shard;
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

  finish(): Built {
    this.#close();
    const hash = createHash("sha256").update(Float64Array.from(this.#rows));
    for (const key of this.#keys) hash.update(key);
    return {
      rows: this.#rows,
      keys: this.#keys,
      faults: this.#faults,
      lacking: { txt: rangesOf(this.#without.txt), json: rangesOf(this.#without.json) },
      sha256: hash.digest("hex"),
    };
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
    const row = this.#keys.push(bytes) - 1;
    for (const [kind, member] of [["txt", text] as const, ["json", json] as const])
      if (!member || member.size === 0) this.#without[kind].push(row);
    // In the order of `column`.
    this.#rows.push(image.offset, image.size, text?.offset ?? 0, text?.size ?? -1, json?.offset ?? 0, json?.size ?? -1);
    this.#rows.push(imageExtensions.indexOf(image.extension), this.#keyBytes, bytes.length);
    this.#keyBytes += bytes.length;
  }

  #fault(cause: FaultCause, key: string | undefined, detail: string): void {
    this.#faults.push([this.#keys.length, { cause, shard: this.shard, key, message: `${this.shard}: ${detail}` }]);
  }
}

/** Ascending numbers as ranges. */
function rangesOf(numbers: readonly number[]): Ranges {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number) last[1]++;
    else ranges.push([number, number + 1]);
  }
  return ranges;
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
