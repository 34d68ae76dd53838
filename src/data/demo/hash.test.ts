import { expect, test } from "vitest";
import { fnv1a, hashOf, shuffled } from "./hash.ts";

test("fnv1a gives the published values of 32-bit FNV-1a", () => {
  // From the test vectors of the FNV reference code (Noll).
  expect(fnv1a("")).toBe(0x811c9dc5);
  expect(fnv1a("a")).toBe(0xe40c292c);
  expect(fnv1a("foobar")).toBe(0xbf9cf968);
});

test("hashOf keeps its parts apart and is even", () => {
  expect(hashOf("ab", "c")).not.toBe(hashOf("a", "bc"));
  const third = Array.from({ length: 3000 }, (_, index) => hashOf("part", index) % 3).filter((rest) => rest === 0);
  // 1000 expected, standard deviation 26
  expect(Math.abs(third.length - 1000)).toBeLessThan(130);
});

test("shuffled keeps every item once, and its order follows the hash", () => {
  const items = Array.from({ length: 100 }, (_, index) => index);
  const one = shuffled(items, (item) => hashOf(1, item));
  expect([...one].sort((a, b) => a - b)).toEqual(items);
  expect(one).not.toEqual(items);
  expect(shuffled([...items].reverse(), (item) => hashOf(1, item))).toEqual(one);
  expect(shuffled(items, (item) => hashOf(2, item))).not.toEqual(one);
});
