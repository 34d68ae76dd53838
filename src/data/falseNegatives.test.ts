import { expect, test } from "vitest";
import { falseNegatives } from "./falseNegatives.ts";

test("agrees with counting every possible batch", () => {
  // Samples a a a b b c: each of the 20 batches of three, counted.
  const samples = ["a", "a", "a", "b", "b", "c"];
  let shared = 0;
  let pairs = 0;
  let batches = 0;
  for (let i = 0; i < 6; i++) {
    for (let j = i + 1; j < 6; j++) {
      for (let k = j + 1; k < 6; k++) {
        const batch = [samples[i]!, samples[j]!, samples[k]!];
        shared += batch.filter((one) => batch.filter((other) => other === one).length > 1).length / 3;
        pairs += Number(batch[0] === batch[1]) + Number(batch[0] === batch[2]) + Number(batch[1] === batch[2]);
        batches++;
      }
    }
  }
  expect(batches).toBe(20);
  const result = falseNegatives([3, 2, 1], 3);
  expect(result.sampleShare).toBeCloseTo(shared / batches, 12);
  expect(result.pairs).toBeCloseTo(pairs / batches, 12);
});

test("no repeated concept gives none; a batch of everything gives all", () => {
  expect(falseNegatives([1, 1, 1], 2)).toEqual({ sampleShare: 0, pairs: 0 });
  expect(falseNegatives([2, 2, 1], 5)).toEqual({ sampleShare: 0.8, pairs: 2 });
  expect(falseNegatives([2, 2, 1], 64).sampleShare).toBeCloseTo(0.8, 12);
  expect(falseNegatives([], 64)).toEqual({ sampleShare: 0, pairs: 0 });
});
