import { hash32, mix32 } from "./random.ts";

/** The order of one epoch: which sample stands at which position. */
export interface Plan {
  /** How many positions there are: the size of the data set. */
  readonly length: number;
  /** The id at `position` (0 .. length - 1). Each id stands at exactly one position. */
  at(position: number): number;
}

/** Rounds of the Feistel network. Four already pass as random to a distinguisher with few samples; eight leave room. */
const rounds = 8;

/**
 * The order of the samples in one epoch, a function of (length, seed, epoch) alone.
 *
 * A shuffled order is a permutation computed, not stored: a Feistel network over a x b >= length, whose two halves are added to
 * modulo a and b, walked until it lands inside the data set (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
 * So any position of any epoch is found in constant time and no memory, at 10 samples or at 10^10.
 */
export function createPlan(options: { length: number; seed: number; epoch: number; shuffle: boolean }): Plan {
  const { length, seed, epoch, shuffle } = options;
  if (!shuffle) return { length, at: (position) => inside(position, length) };
  const a = Math.ceil(Math.sqrt(length));
  const b = Math.ceil(length / a);
  const keys = Array.from({ length: rounds }, (_, round) => hash32([seed, epoch, round]));
  const permute = (value: number): number => {
    let left = Math.floor(value / b);
    let right = value % b;
    for (let round = 0; round < rounds; round += 2) {
      left = (left + mix32(right ^ keys[round]!)) % a;
      right = (right + mix32(left ^ keys[round + 1]!)) % b;
    }
    return left * b + right;
  };
  const at = (position: number): number => {
    let id = permute(inside(position, length));
    while (id >= length) id = permute(id);
    return id;
  };
  return { length, at };
}

function inside(position: number, length: number): number {
  if (Number.isInteger(position) && position >= 0 && position < length) return position;
  throw new RangeError(`position ${position} lies outside the epoch's 0 to ${length - 1}`);
}
