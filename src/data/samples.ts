import type { SampleError } from "./faults.ts";
import { segmentAt } from "./segment-at.ts";
import { readSegment, type SampleFiles, type Segment, type SegmentReader } from "./segments/segment.ts";
import { copyOf } from "./shards/copies.ts";
import type { Cache } from "./shards/file.ts";
import { isRemote } from "./storage/index.ts";

/** What every thread needs to know of a data set to read its samples. */
export interface SampleTable extends Cache {
  readonly segments: readonly Segment[];
  /** The id of each segment's first sample, and behind them the number of samples. */
  readonly starts: readonly number[];
}

/** Segments kept open by one reader. */
const mostOpen = 64;

/** Reads samples by their ids. Each thread has a reader of its own. */
export class SampleReader {
  /** Whether samples are asked for over the network, one by one. */
  readonly asksNetwork: boolean;
  readonly #table: SampleTable;
  /** Readers by segment, the longest unused first. */
  readonly #open = new Map<number, SegmentReader>();

  constructor(table: SampleTable) {
    this.#table = table;
    this.asksNetwork = table.segments.some(
      (segment) => segment.kind === "shard" && !segment.file.copied && isRemote(segment.file.location),
    );
  }

  key(id: number): string {
    const { reader, place } = this.#find(id);
    return reader.key(place);
  }

  /** File name of the shard, table or folder. */
  segmentName(id: number): string {
    return nameOfSegment(this.#table.segments[this.#segmentOf(id)]!);
  }

  /** Of the picture file, in lower case and without the dot. */
  extension(id: number): string {
    const { reader, place } = this.#find(id);
    return reader.extension(place);
  }

  /** @throws SampleError where the sample is damaged. */
  async sample(id: number): Promise<SampleFiles> {
    const { reader, place } = this.#find(id);
    return reader.sample(place);
  }

  /** What else is known of a sample: the contents of its .json, or other columns; undefined where there are none. */
  async json(id: number): Promise<unknown> {
    const { reader, place } = this.#find(id);
    return reader.json(place);
  }

  /** The error of a sample whose picture is bad; `problem` is to stand behind the name of the picture. */
  pictureError(id: number, problem: string): SampleError {
    const { reader, place } = this.#find(id);
    return reader.pictureError(place, problem);
  }

  /** Fetches what has to be there as a whole before samples of the segment can be read. */
  async prepare(segment: number): Promise<void> {
    const wanted = this.#table.segments[segment]!;
    if (wanted.kind === "shard" && wanted.file.copied && wanted.count > 0) await copyOf(wanted.file, this.#table);
  }

  close(): void {
    for (const reader of this.#open.values()) reader.close();
    this.#open.clear();
  }

  #find(id: number): { reader: SegmentReader; place: number } {
    const segment = this.#segmentOf(id);
    return { reader: this.#reader(segment), place: id - this.#table.starts[segment]! };
  }

  #segmentOf(id: number): number {
    const { starts } = this.#table;
    const size = starts.at(-1)!;
    if (!(Number.isInteger(id) && id >= 0 && id < size)) {
      throw new RangeError(`there is no sample ${id}: the data set holds ids 0 to ${size - 1}`);
    }
    return segmentAt(starts, id);
  }

  #reader(segment: number): SegmentReader {
    const open = this.#open.get(segment);
    this.#open.delete(segment);
    const reader = open ?? readSegment(this.#table.segments[segment]!, this.#table);
    this.#open.set(segment, reader);
    if (this.#open.size > mostOpen) {
      const [oldest, unused] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      unused.close();
    }
    return reader;
  }
}

function nameOfSegment(segment: Segment): string {
  return segment.kind === "shard" ? segment.file.name : segment.name;
}
