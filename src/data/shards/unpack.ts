// Compressed tars: gzip and zstd, told by their first bytes whatever the file's name says.
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Decompress, type ZstdError, ZstdErrorCode } from "fzstd";

/** How a tar is compressed. */
export type Packing = "none" | "gzip" | "zstd";

export function sniffPacking(start: Uint8Array): Packing {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd ? "zstd" : "none";
}

/** What is compressed is damaged, or ends too early. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
  /** Whether it only ends too early: then what came before is good. Else any of it may be wrong. */
  readonly isCut: boolean;

  constructor(message: string, { isCut }: { isCut: boolean }) {
    super(message);
    this.isCut = isCut;
  }
}

/** The bytes behind the compression, in order. @throws UnpackError after those that could be had. (zstd's checksum is not verified.) */
export function unpack(packed: AsyncIterable<Uint8Array>, packing: Packing): AsyncIterable<Uint8Array> {
  if (packing === "none") return packed;
  return packing === "gzip" ? gunzip(packed) : unzstd(packed);
}

async function* gunzip(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip();
  const source = Readable.from(packed, { objectMode: false });
  let broken: Error | undefined;
  source.on("error", (error) => {
    broken = error;
    stream.destroy(error);
  });
  try {
    yield* source.pipe(stream) as AsyncIterable<Uint8Array>;
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw broken ?? new UnpackError(message, { isCut: code === "Z_BUF_ERROR" });
  }
}

async function* unzstd(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => ready.push(chunk));
  const push = (chunk: Uint8Array, isLast: boolean): Uint8Array[] => {
    try {
      stream.push(chunk, isLast);
    } catch (error) {
      const { message, code } = error as ZstdError;
      throw new UnpackError(message, { isCut: code === ZstdErrorCode.UnexpectedEOF });
    }
    const chunks = ready;
    ready = [];
    return chunks;
  };
  for await (const chunk of packed) yield* push(chunk, false);
  yield* push(new Uint8Array(), true);
}
