// Reading files behind HTTP, S3 included: sizes, parts, and streams that go on where they broke.
import type { Answer } from "./exchange.ts";
import { type ContentRange, contentLength, contentRange, sizeOf, unchanged, versionOf } from "./headers.ts";
import { Passing, type Patience, persist, Tries } from "./patience.ts";
import { type FileInfo, type FilePart, StorageError, type StreamOptions } from "./storage.ts";

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly remainingMs: number;
}

/** Asks for a file once. Returns answers of status 200, 206 and 416; all others are thrown, as Passing where it may get better. */
export type Get = (location: string, options: GetOptions) => Promise<Answer>;

export class RemoteReader {
  readonly #get: Get;
  readonly #patience: Patience;

  constructor(get: Get, { patience }: { patience: Patience }) {
    this.#get = get;
    this.#patience = patience;
  }

  /**
   * Asks for the first byte instead of using HEAD: the answer shows whether there are ranges, an error has a body that says why, and
   * URLs that were signed for GET are good for nothing else.
   */
  stat(location: string): Promise<FileInfo> {
    return persist(location, {
      patience: this.#patience,
      attempt: async (remainingMs) => {
        const answer = await this.#get(location, { headers: { range: "bytes=0-0" }, remainingMs });
        await answer.finish();
        if (answer.status !== 416) return describe(location, answer);
        const whole = await this.#get(location, { headers: {}, remainingMs }); // of an empty file
        await whole.finish();
        return describe(location, whole);
      },
    });
  }

  async read(location: string, { offset, length, version }: FilePart): Promise<Uint8Array> {
    const end = Math.min(offset + length, sizeOf(version));
    const bytes = new Uint8Array(Math.max(0, end - offset));
    const tries = new Tries(location, { patience: this.#patience });
    let filled = 0;
    for await (const chunk of this.#bytes(location, { offset, end, version, tries })) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    return bytes;
  }

  async *stream(location: string, options: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const version = options.version ?? (await this.stat(location)).version;
    const tries = new Tries(location, { patience: this.#patience, isEndless: true });
    yield* this.#bytes(location, { offset: 0, end: sizeOf(version), version, tries });
  }

  /** The bytes from `offset` up to `end`, each once and in order, over as many requests as it takes. */
  async *#bytes(location: string, part: Part & { tries: Tries }): AsyncGenerator<Uint8Array> {
    const { end, version, tries } = part;
    for (let position = part.offset; position < end; ) {
      let answer: Answer | undefined;
      try {
        const headers = { range: `bytes=${position}-${end - 1}`, ...unchanged(version) };
        answer = await this.#get(location, { headers, remainingMs: tries.remainingMs });
        const start = startOf(location, { answer, part: { offset: position, end, version } });
        for await (const chunk of between(answer.chunks(), {
          skip: position - start,
          length: end - position,
          hasMore: answer.status === 200 && end < sizeOf(version),
        })) {
          position += chunk.length;
          tries.progress(chunk.length);
          yield chunk;
        }
        if (position < end) throw new Passing(`the body ended ${end - position} bytes too early`);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        await tries.again(error);
      } finally {
        answer?.discard();
      }
    }
  }
}

interface Part {
  readonly offset: number;
  /** The byte behind the last. */
  readonly end: number;
  readonly version: string;
}

function describe(location: string, answer: Answer): FileInfo {
  refuseEncoded(location, answer);
  const range = answer.status === 206 ? rangeOf(location, answer) : undefined;
  const size = range?.size ?? contentLength(answer);
  if (size === undefined) throw badAnswer(location, "the server does not tell its size");
  return { size, version: versionOf(answer, size), ranges: range !== undefined };
}

/** Where the body of an answer starts in the file. Throws where the answer is not of the part and version that was asked for. */
function startOf(location: string, { answer, part }: { answer: Answer; part: Part }): number {
  refuseEncoded(location, answer);
  const range = answer.status === 200 ? undefined : rangeOf(location, answer);
  const size = range?.size ?? contentLength(answer);
  if (size === undefined || versionOf(answer, size) !== part.version) throw changed(location);
  if (range === undefined) return 0; // the whole file: a server without ranges
  // It may send less than was asked for; the rest is asked for again.
  if (range.start !== part.offset || range.end > part.end || range.end <= range.start)
    throw badAnswer(
      location,
      `bytes ${part.offset} to ${part.end - 1} were asked for, and bytes ${range.start} to ${range.end - 1} came`,
    );
  return range.start;
}

function rangeOf(location: string, answer: Answer): ContentRange {
  const range = contentRange(answer);
  if (range !== undefined) return range;
  const text = answer.headers.get("content-range");
  throw badAnswer(location, `the part that came has no readable Content-Range (${text ?? "there is none"})`);
}

/** fetch would unpack it, and then neither its size nor its parts are those of the file. */
function refuseEncoded(location: string, { headers }: Answer): void {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity" && encoding !== "aws-chunked")
    throw badAnswer(
      location,
      `it is sent with Content-Encoding: ${encoding}, so its parts cannot be read; store or send it without`,
    );
}

/** `length` bytes behind the first `skip`. Where no more are to come, the end is waited for, so that the connection can be used again. */
async function* between(
  chunks: AsyncIterable<Uint8Array>,
  { skip, length, hasMore }: { skip: number; length: number; hasMore: boolean },
): AsyncGenerator<Uint8Array> {
  let [before, left] = [skip, length];
  for await (const chunk of chunks) {
    const wanted = chunk.subarray(Math.min(before, chunk.length)).subarray(0, left);
    before -= Math.min(before, chunk.length);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
    if (left === 0 && hasMore) return;
  }
}

function badAnswer(location: string, problem: string): StorageError {
  return new StorageError("bad-answer", { location, problem });
}

function changed(location: string): StorageError {
  return new StorageError("changed", { location, problem: "was changed since it was opened" });
}
