import { createHash } from "node:crypto";
import { type Fault, SampleError } from "../faults.ts";
import { formatOf, pictureFormats } from "../image/format.ts";
import type { Picture } from "../image/resample.ts";
import { readSample } from "../read-sample.ts";
import { SampleReader, type SampleTable } from "../samples.ts";
import { createTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { countCharacters, flagsOf, judgedPart, scriptOf } from "./caption.ts";
import type { Columns } from "./columns.ts";
import { createGuesser } from "./language.ts";

/** What a thread is told when it starts. */
export interface MeasureSetup {
  readonly table: SampleTable;
  readonly columns: Columns;
  readonly contextLength: number;
}

/** Samples `from` to `to` - 1. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Pictures that one thread has in flight, as many as the loader's threads have. */
const inFlight = 8;

/** Reads samples whole, decodes and tokenizes them, and writes down what was found. */
export class Measurer {
  readonly #columns: Columns;
  readonly #reader: SampleReader;
  readonly #tokenizer: Tokenizer;
  readonly #row: Int32Array;
  readonly #guess: (text: string) => number;

  private constructor(setup: MeasureSetup, guess: (text: string) => number) {
    this.#columns = setup.columns;
    this.#reader = new SampleReader(setup.table);
    this.#tokenizer = createTokenizer({ contextLength: setup.contextLength });
    this.#row = new Int32Array(setup.contextLength);
    this.#guess = guess;
  }

  static async create(setup: MeasureSetup): Promise<Measurer> {
    return new Measurer(setup, await createGuesser());
  }

  /** Fills the columns' rows of these samples; returns what is wrong with them, in their order. */
  async measure({ from, to }: Span): Promise<Fault[]> {
    const faults: (Fault | undefined)[] = [];
    for (let start = from; start < to; start += inFlight) {
      const ids = Array.from({ length: Math.min(inFlight, to - start) }, (_, i) => start + i);
      faults.push(...(await Promise.all(ids.map((id) => this.#try(id)))));
    }
    return faults.filter((fault) => fault !== undefined);
  }

  close(): void {
    this.#reader.close();
  }

  /** Of a sample with two faults the picture's is reported, as in training. */
  async #try(id: number): Promise<Fault | undefined> {
    this.#columns.key.set(fingerprint(this.#reader.key(id)), 2 * id);
    try {
      const { file, picture, captions } = await readSample(this.#reader, id);
      decodeWhole(picture);
      const [caption] = captions();
      this.#writePicture(id, file, picture);
      this.#writeCaption(id, caption!);
      this.#columns.whole[id] = 1;
      return undefined;
    } catch (error) {
      if (error instanceof SampleError) return error.fault;
      throw error;
    }
  }

  #writePicture(id: number, file: Buffer, { width, height }: { width: number; height: number }): void {
    const columns = this.#columns;
    columns.picture.set(fingerprint(file), 2 * id);
    columns.width[id] = width;
    columns.height[id] = height;
    columns.bytes[id] = file.length;
    columns.format[id] = pictureFormats.indexOf(formatOf(file)!);
  }

  #writeCaption(id: number, caption: string): void {
    const columns = this.#columns;
    const text = judgedPart(caption);
    this.#tokenizer.encodeInto(caption, this.#row);
    columns.caption.set(fingerprint(new Uint8Array(this.#row.buffer)), 2 * id);
    columns.tokens[id] = this.#tokenizer.encode(caption).length;
    columns.characters[id] = countCharacters(caption);
    columns.flags[id] = flagsOf(text);
    columns.script[id] = scriptOf(text);
    columns.language[id] = this.#guess(text);
  }
}

/** Damage in the pixels of a JPEG is found when they are asked for. */
function decodeWhole({ width, height, resample }: Picture): void {
  resample({ box: { left: 0, top: 0, width, height }, width: 1, height: 1 });
}

/**
 * 64 bits of SHA-256. Among N different contents two have the same fingerprint with a chance of N^2 / 2^65: one in 37 million for a
 * million samples.
 */
function fingerprint(content: string | Uint8Array): [number, number] {
  const digest = createHash("sha256").update(content).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}
