// Opens what patterns name: shards by their indexes; tables and folders as lists, or packed into shards.
import { resolve } from "node:path";
import type { Fault } from "../faults.ts";
import { column, type Ranges } from "../index/build.ts";
import { indexShard, type ShardIndex } from "../index/find.ts";
import { TableReader } from "../index/table-file.ts";
import { mapLimited } from "../limited.ts";
import { faultsOfShard } from "../pack/shard.ts";
import { expandPatterns, type Place } from "../patterns.ts";
import type { Cache } from "../shards/file.ts";
import { openSource, type PlaceSource, type SourceOptions } from "../sources/source.ts";
import { isRemote } from "../storage/index.ts";
import { findList } from "./make-list.ts";
import { packedCopy } from "./packed.ts";
import type { Segment } from "./segment.ts";

export interface OpenOptions extends Cache {
  /** Keys of the samples' JSON that hold captions in shards; none where the .txt does. */
  readonly captionKeys: readonly string[];
  /** Columns of tables; found by their names when absent. */
  readonly columns?: SourceOptions;
  /** Above this share of rows that cannot be packed, where a table has to be, opening fails; default 0.01. */
  readonly maxBadRate?: number;
  /** Whether remote shards are fetched as a whole; default false. */
  readonly whole?: boolean;
  /** Which of several processes this one is, that open the same data. */
  readonly part?: { readonly rank: number; readonly size: number };
  /** Told how many of the shards have an index. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told in sentences what is done where it takes long. */
  readonly onMessage?: (message: string) => void;
}

export interface OpenedSegment {
  readonly segment: Segment;
  readonly location: string;
  /** Index of the pattern that names it. */
  readonly pattern: number;
  /** The same text for the same samples, wherever they lie. */
  readonly identity: string;
  /** Whether its index was made now. */
  readonly isNew: boolean;
  /** What was left out, in the order of the samples. */
  faults(): Fault[];
}

/** Shards that are opened at once: most of the time is spent waiting for headers. */
const atOnce = 16;

export async function openSegments(patterns: readonly string[], options: OpenOptions): Promise<OpenedSegment[]> {
  const places = await expandPatterns(patterns);
  const { part = { rank: 0, size: 1 }, onProgress } = options;
  // Each process begins elsewhere, so that they make the indexes of different shards, and find those that others have made.
  const first = Math.floor((part.rank * places.length) / part.size);
  const turned = [...places.slice(first), ...places.slice(0, first)];
  let done = 0;
  const opened = await mapLimited(turned, atOnce, async (place) => {
    const segments = await openPlace(place, options);
    onProgress?.(++done, places.length);
    return segments;
  });
  return [...opened.slice(places.length - first), ...opened.slice(0, places.length - first)].flat();
}

/** The segments of a place: many where it is packed into shards. */
async function openPlace(place: Place, options: OpenOptions): Promise<OpenedSegment[]> {
  if (place.kind === "shard") return [await openShardAt(place, options)];
  const location = isRemote(place.location) ? place.location : resolve(place.location);
  const source = await openSource(location, options.columns ?? {});
  if (await source.hasFiles()) return [await openListAt(place, { source, options })];
  return openPackedAt({ ...place, location }, { source, options });
}

async function openShardAt({ location, pattern }: Place, options: OpenOptions): Promise<OpenedSegment> {
  const index = await indexShard(location, { ...options, whole: options.whole ?? false });
  const { file, table, sha256, isNew } = index;
  const kind = options.captionKeys.length === 0 ? "txt" : "json";
  const dropped = index.lacking[kind];
  const count = table.count - lengthOf(dropped);
  return {
    segment: { kind: "shard", file, table, dropped, count, captionKeys: options.captionKeys },
    location,
    pattern,
    isNew,
    identity: `${file.name}\n${file.bytes}\n${sha256}`,
    faults: () => faultsOf(index, kind),
  };
}

interface Opening {
  readonly source: PlaceSource;
  readonly options: OpenOptions;
}

async function openListAt({ location, pattern }: Place, { source, options }: Opening): Promise<OpenedSegment> {
  const { list, faults, sha256, isNew } = await findList(location, { ...options, source });
  return { segment: list, location, pattern, isNew, identity: `${list.name}\n${sha256}`, faults: () => [...faults] };
}

async function openPackedAt({ location, pattern }: Place, { source, options }: Opening): Promise<OpenedSegment[]> {
  const { maxBadRate = 0.01 } = options;
  const shards = await packedCopy(source, { ...options, location, maxBadRate });
  return mapLimited(shards, atOnce, async (path) => {
    const place: Place = { kind: "shard", location: path, pattern };
    const opened = await openShardAt(place, { ...options, captionKeys: ["captions"] });
    return { ...opened, faults: () => [...faultsOfShard(path), ...opened.faults()] };
  });
}

function lengthOf(ranges: Ranges): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** What was no sample, and samples without a caption, in the order in which they lie in the shard. */
function faultsOf({ file, table, faults, lacking }: ShardIndex, kind: "txt" | "json"): Fault[] {
  const dropped = lacking[kind];
  if (dropped.length === 0) return faults.map(([, fault]) => fault);
  const reader = new TableReader(table);
  try {
    const missing = dropped.flatMap(([start, end]) =>
      Array.from({ length: end - start }, (_, i) => {
        const fault = missingCaption(reader, { shard: file.name, row: start + i, kind });
        return [start + i + 0.5, fault] as const;
      }),
    );
    return [...faults, ...missing].sort(([a], [b]) => a - b).map(([, fault]) => fault);
  } finally {
    reader.close();
  }
}

interface Missing {
  readonly shard: string;
  readonly row: number;
  readonly kind: "txt" | "json";
}

function missingCaption(reader: TableReader, { shard, row, kind }: Missing): Fault {
  const numbers = reader.row(row);
  const key = reader.blob(numbers[column.keyOffset]!, numbers[column.keyLength]!).toString();
  const isEmpty = numbers[kind === "txt" ? column.textSize : column.jsonSize] === 0;
  const detail = isEmpty ? `${key}.${kind} is empty` : `${key} has no .${kind}`;
  return { cause: "no-caption", shard, key, message: `${shard}: ${detail}` };
}
