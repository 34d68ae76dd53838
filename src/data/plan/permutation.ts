import { hash32, mix32 } from "../random.ts";

/** Rounds of the Feistel network. Four already pass as random to a distinguisher with few samples; eight leave room. */
const rounds = 8;

/**
 * A random order of 0 to length - 1, a function of the length and `words` alone.
 *
 * The permutation is computed, not stored: a Feistel network over a x b >= length, whose two halves are added to modulo a and b, walked
 * until it lands inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). So any place of any order is found in
 * constant time and no memory, among 10 or among 10^10.
 */
export function createPermutation(length: number, words: readonly number[]): (index: number) => number {
  const a = Math.ceil(Math.sqrt(length));
  const b = Math.ceil(length / a);
  const keys = Array.from({ length: rounds }, (_, round) => hash32([...words, round]));
  const permute = (value: number): number => {
    let left = Math.floor(value / b);
    let right = value % b;
    for (let round = 0; round < rounds; round += 2) {
      left = (left + mix32(right ^ keys[round]!)) % a;
      right = (right + mix32(left ^ keys[round + 1]!)) % b;
    }
    return left * b + right;
  };
  return (index) => {
    let value = permute(index);
    while (value >= length) value = permute(value);
    return value;
  };
}
