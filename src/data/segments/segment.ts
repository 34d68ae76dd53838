// What a data set is made of: samples that lie in one file, or that one file names.
import type { SampleError } from "../faults.ts";
import type { Cache } from "../shards/file.ts";
import { type List, ListReader } from "./list.ts";
import { type Shard, ShardReader } from "./shard.ts";

/** Plain data, so that other threads can be told of it. */
export type Segment = Shard | List;

/** A sample as it was read. */
export interface SampleFiles {
  /** The picture file, not decoded. */
  readonly image: Buffer;
  /** The captions, at least one. @throws SampleError where there is none, or it is damaged. */
  captions(): readonly string[];
}

/** Reads the samples of one segment by their place in it. Each thread has readers of its own. */
export interface SegmentReader {
  key(place: number): string;
  /** Of the picture file, in lower case and without the dot. */
  extension(place: number): string;
  /** @throws SampleError where the sample is damaged. */
  sample(place: number): Promise<SampleFiles>;
  /** What else is known of the sample; undefined where nothing is. @throws SampleError where it is damaged. */
  json(place: number): Promise<unknown>;
  /** `problem` is to stand behind the name of the picture. */
  pictureError(place: number, problem: string): SampleError;
  close(): void;
}

export function readSegment(segment: Segment, cache: Cache): SegmentReader {
  return segment.kind === "shard" ? new ShardReader(segment, cache) : new ListReader(segment);
}
