import { createHash } from "node:crypto";
import type { Fault, FaultCounts } from "./faults.ts";
import { indexShard, type ShardIndex } from "./index.ts";
import { Quarantine } from "./quarantine.ts";
import { SampleReader, type SampleTable } from "./samples.ts";
import { expandShards } from "./shards.ts";

export interface DatasetOptions {
  /** Paths of WebDataset tar shards, with braces and globs. */
  shards: string | readonly string[];
  /** Take the caption from this key of each sample's JSON instead of its .txt. */
  captionKey?: string;
  /** Share of bad samples above which opening fails; default 0.01. See Quarantine for the exact rule. */
  maxBadRate?: number;
  /** Told of everything that is left out. */
  onFault?: (fault: Fault) => void;
}

/** One sample as it lies in its shard. */
interface Sample {
  readonly id: number;
  readonly key: string;
  /** File name of the shard. */
  readonly shard: string;
  /** The picture file, not decoded. */
  readonly image: Buffer;
  /** Extension of the picture file, in lower case and without the dot. */
  readonly extension: string;
  readonly text: string;
  /** Contents of the .json; undefined when there is none. */
  readonly json: unknown;
}

/** The samples of a list of shards, each under an id. */
export interface Dataset {
  /**
   * Number of samples. Ids are 0 to size - 1, in the order of the shards and of the samples inside them. Only whole samples have an
   * id; one whose picture turns out to be damaged when it is decoded keeps it, so that ids never move while the files are the same.
   */
  readonly size: number;
  /** Paths of the shards, in order. */
  readonly shards: readonly string[];
  /** A hash over the shards' names and sizes and all samples' keys and places: another one when the data is another. */
  readonly fingerprint: string;
  /** What was left out when the shards were indexed. */
  readonly faults: FaultCounts;
  /** For other threads: pass it to a SampleReader. */
  readonly table: SampleTable;
  /** Reads one sample. Throws SampleError when it is damaged, RangeError when there is no such id. */
  readSample(id: number): Promise<Sample>;
  close(): void;
}

/** Finds the samples of WebDataset shards. Reads the tar headers only. */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { captionKey, maxBadRate = 0.01, onFault } = options;
  const shards = await expandShards(options.shards);
  const quarantine = new Quarantine({ maxBadRate, onFault });
  const hash = createHash("sha256");
  const indexes: ShardIndex[] = [];
  const starts = [0];
  let bad = 0;
  for (const path of shards) {
    const { index, faults } = await indexShard({ path, captionKey });
    indexes.push(index);
    starts.push(starts.at(-1)! + index.count);
    bad += faults.length;
    quarantine.record(starts.at(-1)! + bad, faults);
    hash.update(`${index.name}\n${index.bytes}\n${index.count}\n`).update(index.rows).update(index.keys);
  }
  const size = starts.at(-1)!;
  if (size === 0) throw new Error(`no sample was found in ${shards.length} shards (${describe(quarantine.counts)})`);
  const table: SampleTable = { shards: indexes, starts, captionKey };
  const reader = new SampleReader(table);
  return {
    size,
    shards,
    fingerprint: hash.digest("hex"),
    faults: quarantine.counts,
    table,
    readSample: async (id) => readSample(reader, id),
    close: () => reader.close(),
  };
}

function readSample(reader: SampleReader, id: number): Sample {
  return {
    id,
    key: reader.key(id),
    shard: reader.shardName(id),
    image: reader.image(id),
    extension: reader.extension(id),
    text: reader.caption(id),
    json: reader.json(id),
  };
}

function describe(counts: FaultCounts): string {
  const causes = Object.entries(counts).map(([cause, count]) => `${count} ${cause}`);
  return causes.length > 0 ? causes.join(", ") : "nothing was wrong with them";
}
