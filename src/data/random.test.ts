import { expect, test } from "vitest";
import { createRandom, hash32, mix32, uniform } from "./random.ts";

test("mix32 is MurmurHash3's finalizer", () => {
  // From the published code: fmix32(1) and fmix32(0xdeadbeef).
  expect([mix32(0), mix32(1), mix32(0xdeadbeef)]).toEqual([0, 0x514e28b7, 0x0de5c6a9]);
});

test("a hash depends on every word, on its high bits and on the order", () => {
  const hashes = [[1, 2], [2, 1], [1, 3], [1, 2 + 2 ** 32], [1, 2, 0], [1]].map(hash32);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test("the same words give the same stream, others another", () => {
  const take = (words: number[]): number[] => {
    const random = createRandom(words);
    return Array.from({ length: 5 }, random);
  };
  expect(take([1, 2, 3])).toEqual(take([1, 2, 3]));
  expect(take([1, 2, 3])).not.toEqual(take([1, 2, 4]));
});

test("a stream is uniform", () => {
  const random = createRandom([7]);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[Math.floor(uniform(random, 0, 10))]!++;
  // The standard deviation of a count is 95.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});
