// The samples of a tar shard, by its index.
import { SampleError } from "../faults.ts";
import { column, type Ranges } from "../index/build.ts";
import { type TableFile, TableReader } from "../index/table-file.ts";
import { imageExtensions } from "../members.ts";
import { openShard, type ShardBytes } from "../shards/bytes.ts";
import type { Cache, ReadableShard } from "../shards/file.ts";
import { type Complain, captionsUnder, decodeText, parseJson } from "./captions.ts";
import type { SampleFiles, SegmentReader } from "./segment.ts";

export interface Shard {
  readonly kind: "shard";
  readonly file: ReadableShard;
  readonly table: TableFile;
  /** Rows of the index that are left out, because they have no caption. */
  readonly dropped: Ranges;
  /** Samples that are left. */
  readonly count: number;
  /** Keys of a sample's JSON that hold captions; none where its .txt does. */
  readonly captionKeys: readonly string[];
}

/** One file of a sample, and where it lies. */
interface Member {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** A row of the index. */
interface Row {
  readonly key: string;
  readonly extension: string;
  readonly image: Member;
  /** Of size -1 where there is none. */
  readonly text: Member;
  readonly json: Member;
}

/** Members that lie this close together are read at once. */
const largestGap = 64 * 1024;

export class ShardReader implements SegmentReader {
  readonly #shard: Shard;
  readonly #cache: Cache;
  readonly #table: TableReader;
  #bytes: Promise<ShardBytes> | undefined;
  #reading = 0;
  #isClosed = false;

  constructor(shard: Shard, cache: Cache) {
    this.#shard = shard;
    this.#cache = cache;
    this.#table = new TableReader(shard.table);
  }

  key(place: number): string {
    return this.#row(place).key;
  }

  extension(place: number): string {
    return this.#row(place).extension;
  }

  async sample(place: number): Promise<SampleFiles> {
    const row = this.#row(place);
    const { captionKeys } = this.#shard;
    const about = captionKeys.length === 0 ? row.text : row.json;
    const [image, text] = await this.#read(row, [row.image, about]);
    return { image: image!, captions: () => this.#captions(row, { file: about.name, bytes: text! }) };
  }

  async json(place: number): Promise<unknown> {
    const row = this.#row(place);
    if (row.json.size < 0) return undefined;
    const [bytes] = await this.#read(row, [row.json]);
    return parseJson(bytes!, { file: row.json.name, complain: this.#complainOf(row) });
  }

  pictureError(place: number, problem: string): SampleError {
    const row = this.#row(place);
    return this.#complainOf(row)("bad-picture", `${row.image.name} ${problem}`);
  }

  /** What is being read still comes. */
  close(): void {
    this.#isClosed = true;
    if (this.#reading > 0) return;
    this.#table.close();
    this.#bytes?.then((bytes) => bytes.close()).catch(() => {});
  }

  #captions(row: Row, { file, bytes }: { file: string; bytes: Buffer }): string[] {
    const { captionKeys } = this.#shard;
    const complain = this.#complainOf(row);
    if (captionKeys.length === 0) {
      const text = decodeText(bytes, { file, complain });
      if (text.trim() === "") throw complain("no-caption", `the caption of ${row.key} is empty`);
      return [text];
    }
    const captions = captionsUnder(captionKeys, parseJson(bytes, { file, complain }), { file, complain });
    if (captions.length > 0) return captions;
    throw complain("no-caption", `${file} has no caption under ${captionKeys.map((key) => `"${key}"`).join(", ")}`);
  }

  /** The row of the index of the `place`th sample that is left. */
  #row(place: number): Row {
    const { dropped, table } = this.#shard;
    let at = place;
    for (const [start, end] of dropped) {
      if (start > at) break;
      at += end - start;
    }
    const numbers = this.#table.row(at);
    const number = (name: keyof typeof column): number => numbers[column[name]]!;
    const key = this.#table.blob(number("keyOffset"), number("keyLength")).toString();
    const extension = imageExtensions[number("extension")];
    if (extension === undefined)
      throw new Error(`${table.path} is damaged at row ${at}: delete it, and it will be made anew`);
    const member = (kind: "image" | "text" | "json", ending: string): Member => ({
      name: `${key}.${ending}`,
      offset: number(`${kind}Offset`),
      size: number(`${kind}Size`),
    });
    return {
      key,
      extension,
      image: member("image", extension),
      text: member("text", "txt"),
      json: member("json", "json"),
    };
  }

  /** By one read where the members lie together, since each may be a request over the network. */
  async #read(row: Row, members: readonly Member[]): Promise<Buffer[]> {
    const start = Math.min(...members.map(({ offset }) => offset));
    const end = Math.max(...members.map(({ offset, size }) => offset + size));
    const total = members.reduce((sum, { size }) => sum + size, 0);
    if (members.length > 1 && end - start > total + largestGap)
      return (await Promise.all(members.map((member) => this.#read(row, [member])))).flat();
    const bytes = await this.#span(start, end - start);
    return members.map(({ name, offset, size }) => {
      const part = bytes.subarray(offset - start, offset - start + size);
      if (part.length === size) return part;
      throw this.#complainOf(row)("tar-cut", `${name} is cut off at byte ${start + bytes.length}`);
    });
  }

  async #span(offset: number, length: number): Promise<Buffer> {
    this.#reading++;
    try {
      this.#bytes ??= openShard(this.#shard.file, this.#cache);
      const bytes = await (await this.#bytes).read(offset, length);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    } finally {
      this.#reading--;
      if (this.#isClosed) this.close();
    }
  }

  #complainOf({ key }: Row): Complain {
    const shard = this.#shard.file.name;
    return (cause, detail) => new SampleError({ cause, shard, key, message: `${shard}: ${detail}` });
  }
}
