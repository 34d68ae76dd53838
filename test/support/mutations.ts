// Damaged files for the readers' tests: the same ones in every run, for they come from a seed.
import { expect } from "vitest";
import { createRandom, type Random } from "../../src/data/random.ts";

/** What stands for "none", "the largest", "one too many" in fields of every width. */
const extremes = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** One way to damage bytes; gives the damaged ones and may change those that it is given. */
type Damage = (bytes: Buffer, random: Random) => Buffer;

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** Two places in order. Most pieces are short, as fields and lines are. */
function piece(bytes: Buffer, random: Random): [start: number, end: number] {
  const start = below(random, bytes.length + 1);
  const longest = bytes.length - start;
  return [start, start + below(random, Math.min(longest, random() < 0.7 ? 16 : longest) + 1)];
}

function flipBits(bytes: Buffer, random: Random): Buffer {
  if (bytes.length === 0) return bytes;
  for (let left = 1 + below(random, 4); left > 0; left--) bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
  return bytes;
}

function setField(bytes: Buffer, random: Random): Buffer {
  const width = [1, 2, 4, 8].filter((size) => size <= bytes.length).at(below(random, 4) - 4) ?? 0;
  if (width === 0) return bytes;
  const near = BigInt(bytes.length - 1 + below(random, 3));
  const value = BigInt.asUintN(8 * width, [...extremes, near][below(random, extremes.length + 1)]!);
  const field = Buffer.from(value.toString(16).padStart(2 * width, "0"), "hex");
  if (random() < 0.7) field.reverse(); // little-endian
  field.copy(bytes, below(random, bytes.length - width + 1));
  return bytes;
}

/** Puts another number, or another character of text, in place of one digit or character. */
function setText(bytes: Buffer, random: Random): Buffer {
  const words = [
    "9",
    "-",
    "9999999999999999999",
    "1e400",
    "null",
    '"',
    "{",
    "[",
    "]",
    "\n",
    ":",
    "__proto__",
    "é",
    "\0",
  ];
  const start = below(random, bytes.length + 1);
  const word = Buffer.from(words[below(random, words.length)]!);
  return Buffer.concat([bytes.subarray(0, start), word, bytes.subarray(start + below(random, 2))]);
}

const damages: readonly Damage[] = [
  flipBits,
  flipBits,
  setField,
  setField,
  setText,
  function truncate(bytes, random) {
    return bytes.subarray(0, below(random, bytes.length + 1));
  },
  function remove(bytes, random) {
    const [start, end] = piece(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  function repeat(bytes, random) {
    const [start, end] = piece(bytes, random);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  function splice(bytes, random) {
    const [start, end] = piece(bytes, random);
    bytes.copyWithin(below(random, bytes.length + 1), start, end);
    return bytes;
  },
];

/** The `n`th damaged copy of a file, most with one kind of damage, some with two or three. */
export function mutated(original: Uint8Array, { seed, n }: { seed: number; n: number }): Buffer {
  const random = createRandom([seed, n]);
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + Math.floor(3 * random() ** 2); left > 0; left--)
    bytes = damages[below(random, damages.length)]!(bytes, random);
  return bytes;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Damaged copies. */
  readonly count: number;
  /** Makes sums right again that would else hide most damage from what reads behind them. */
  readonly repair?: (bytes: Buffer) => void;
  /** Reads a damaged file. Throws what the reader throws; fails an `expect` where what it gives cannot be true. */
  readonly read: (bytes: Buffer) => unknown;
}

/** What the engine says where a reader has taken something for granted. */
const ofTheEngine =
  /undefined|is not (a function|iterable|an object)|Cannot (read|convert|mix|set|destructure)|Invalid (array|string|typed)|\[object |NaN|call stack|out of (range|memory)/;
/** Resident memory that a reader of files of some kilobytes may take. */
const mostMegabytes = 400;

/** Reads damaged copies of a file: each gives something sound, or an error that a person can read. Returns how many gave something. */
export async function fuzz(original: Uint8Array, { seed, count, repair, read }: FuzzOptions): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  let accepted = 0;
  for (let n = 0; n < count; n++) {
    const bytes = mutated(original, { seed, n });
    repair?.(bytes);
    try {
      await read(bytes);
      accepted++;
    } catch (error) {
      checkError(error, `damaged copy ${n} of seed ${seed}`);
    }
  }
  expect((process.resourceUsage().maxRSS - before) / 1024, "MB of memory").toBeLessThan(mostMegabytes);
  return accepted;
}

function checkError(error: unknown, which: string): void {
  if (!(error instanceof Error) || error.name === "AssertionError") throw error;
  const isOurs = ["Error", "ConfigError", "SampleError"].includes(error.name) && !("code" in error);
  // Of what the file says the message may quote a part.
  const words = error.message.replace(/"(\\.|[^"\\])*"/g, '""');
  expect(isOurs && error.message.length > 0 && !ofTheEngine.test(words), `${which}: ${error.stack}`).toBe(true);
}
