import { createHash } from "node:crypto";
import { cacheFolder, defaultCacheSize } from "./cache.ts";
import type { Fault, FaultCounts } from "./faults.ts";
import { Quarantine } from "./quarantine.ts";
import { SampleReader, type SampleTable } from "./samples.ts";
import { type OpenedSegment, openSegments } from "./segments/open.ts";
import type { SourceOptions } from "./sources/source.ts";

export interface DatasetOptions {
  /** WebDataset tar shards: paths or URLs with braces and globs; or tables and folders of pictures. */
  shards: string | readonly string[];
  /** Take the captions from these keys of each sample's JSON instead of its .txt. */
  captionKey?: string | readonly string[];
  /** Share of bad samples above which opening fails; default 0.01. See Quarantine for the exact rule. */
  maxBadRate?: number;
  /** Told of everything that is left out. */
  onFault?: (fault: Fault) => void;
  /** Folder of index files and copies of shards; by default the user's cache. */
  cache?: string | undefined;
  /** Bytes that copies of shards may take up; default 50 GB. */
  cacheSize?: number | undefined;
  /** Whether remote shards are fetched as a whole instead of sample by sample; default false. */
  whole?: boolean;
  /** Columns of tables; found by their names when absent. */
  columns?: SourceOptions;
  /** Which of several processes this one is, that open the same data: they share the work of indexing. */
  part?: { readonly rank: number; readonly size: number };
  /** Told how many of the shards have an index. */
  onProgress?: (done: number, total: number) => void;
  /** Told in sentences what is done where it takes long. */
  onMessage?: (message: string) => void;
}

/** One sample as it lies in its shard. */
interface Sample {
  readonly id: number;
  readonly key: string;
  /** File name of the shard, table or folder. */
  readonly shard: string;
  /** The picture file, not decoded. */
  readonly image: Buffer;
  /** Extension of the picture file, in lower case and without the dot. */
  readonly extension: string;
  /** The captions, at least one. */
  readonly captions: readonly string[];
  /** Contents of the .json, or other columns; undefined when there are none. */
  readonly json: unknown;
}

/** The samples of a list of shards, each under an id. */
export interface Dataset {
  /**
   * Number of samples. Ids are 0 to size - 1, in the order of the shards and of the samples inside them. Only whole samples have an
   * id; one whose picture turns out to be damaged when it is decoded keeps it, so that ids never move while the files are the same.
   */
  readonly size: number;
  /** What was opened, in order: paths and URLs of shards, tables and folders. */
  readonly shards: readonly string[];
  /** The id of the first sample of each pattern, and behind them the number of samples. */
  readonly patternStarts: readonly number[];
  /** A hash over the shards' names and sizes and all samples' keys and places: another one when the data is another. */
  readonly fingerprint: string;
  /** Shards and tables whose index was made now. */
  readonly indexed: number;
  /** What was left out when the shards were indexed. */
  readonly faults: FaultCounts;
  /** For other threads: pass it to a SampleReader. */
  readonly table: SampleTable;
  /** Reads one sample. Throws SampleError when it is damaged, RangeError when there is no such id. */
  readSample(id: number): Promise<Sample>;
  close(): void;
}

/** Finds the samples of shards, tables and folders. Reads the tar headers only, and only of shards that have no index yet. */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { captionKey = [], maxBadRate = 0.01, onFault, cacheSize = defaultCacheSize } = options;
  const captionKeys = typeof captionKey === "string" ? [captionKey] : captionKey;
  const patterns = typeof options.shards === "string" ? [options.shards] : options.shards;
  const cache = cacheFolder(options.cache);
  const opened = await openSegments(patterns, { ...options, captionKeys, cache, cacheSize, maxBadRate });
  const quarantine = new Quarantine({ maxBadRate, onFault });
  const starts = count(opened, quarantine);
  const size = starts.at(-1)!;
  if (size === 0) throw new Error(`no sample was found in ${namesOf(opened)} (${describe(quarantine.counts)})`);
  const segments = opened.map(({ segment }) => segment);
  const table: SampleTable = { segments, starts, cache, cacheSize };
  const reader = new SampleReader(table);
  return {
    size,
    shards: opened.map(({ location }) => location),
    patternStarts: [...patterns.map((_, i) => starts[opened.findIndex(({ pattern }) => pattern === i)]!), size],
    indexed: opened.filter(({ isNew }) => isNew).length,
    fingerprint: fingerprintOf(opened),
    faults: quarantine.counts,
    table,
    readSample: (id) => readSample(reader, id),
    close: () => reader.close(),
  };
}

/** The ids at which segments start. Throws when too much of them is bad. */
function count(opened: readonly OpenedSegment[], quarantine: Quarantine): number[] {
  const starts = [0];
  let bad = 0;
  for (const { segment, faults } of opened) {
    const found = faults();
    bad += found.length;
    starts.push(starts.at(-1)! + segment.count);
    quarantine.record(starts.at(-1)! + bad, found);
  }
  return starts;
}

function fingerprintOf(opened: readonly OpenedSegment[]): string {
  const hash = createHash("sha256");
  for (const { segment, identity } of opened) hash.update(`${identity}\n${segment.count}\n`);
  return hash.digest("hex");
}

async function readSample(reader: SampleReader, id: number): Promise<Sample> {
  const { image, captions } = await reader.sample(id);
  return {
    id,
    key: reader.key(id),
    shard: reader.segmentName(id),
    image,
    extension: reader.extension(id),
    captions: captions(),
    json: await reader.json(id),
  };
}

function namesOf(opened: readonly OpenedSegment[]): string {
  const [only] = opened;
  return opened.length === 1 ? only!.location : `${opened.length} shards`;
}

function describe(counts: FaultCounts): string {
  const causes = Object.entries(counts).map(([cause, count]) => `${count} ${cause}`);
  return causes.length > 0 ? causes.join(", ") : "nothing was wrong with them";
}
