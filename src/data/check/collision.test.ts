import { describe, expect, test } from "vitest";
import { falseNegatives } from "../falseNegatives.ts";
import { createPlan } from "../plan/plan.ts";
import { collisionProbability } from "./collision.ts";

describe("collisionProbability", () => {
  test("agrees with counting every possible batch", () => {
    // Captions a a a b b c: of the 15 pairs, 6 + 3 + 2 have different captions; of the 20 triples, the 3 * 2 * 1 with one of each.
    expect(collisionProbability([3, 2, 1], 2)).toBeCloseTo(1 - 11 / 15, 12);
    expect(collisionProbability([3, 2, 1], 3)).toBeCloseTo(1 - 6 / 20, 12);
  });

  test("equally frequent captions: the product of the chances that each next pair has a new one", () => {
    // The birthday problem with 365 captions of 1000 pairs each.
    let distinct = 1;
    for (let drawn = 0; drawn < 23; drawn++) distinct *= (365_000 - 1000 * drawn) / (365_000 - drawn);
    expect(collisionProbability(new Array(365).fill(1000), 23)).toBeCloseTo(1 - distinct, 12);
  });

  test("one pair of equal captions among ten million: both must be drawn", () => {
    const counts = [2, ...new Array<number>(1e7 - 2).fill(1)];
    expect(collisionProbability(counts, 1024) / ((1024 * 1023) / (1e7 * (1e7 - 1)))).toBeCloseTo(1, 4);
  });

  test("no repetition, nothing to repeat, and more pairs than captions", () => {
    expect(collisionProbability([1, 1, 1], 3)).toBe(0);
    expect(collisionProbability([3, 2], 1)).toBe(0);
    expect(collisionProbability([], 64)).toBe(0);
    expect(collisionProbability([3, 2], 3)).toBe(1);
    expect(collisionProbability([3, 2], 64)).toBe(1);
  });
});

test("both figures are what the sampler's batches show", () => {
  const counts = [9, 6, 4, 3, 3, 2, 2, 2, ...new Array<number>(169).fill(1)];
  const captions = counts.flatMap((count, caption) => new Array<number>(count).fill(caption));
  expect(captions).toHaveLength(200);
  const [batchSize, epochs] = [10, 400];
  let [repeated, shared, batches] = [0, 0, 0];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const plan = createPlan({ starts: [0, 200], seed: 3, order: { kind: "global" } }, epoch);
    for (let start = 0; start < 200; start += batchSize, batches++) {
      const batch = Array.from({ length: batchSize }, (_, row) => captions[plan.at(start + row)]!);
      const alone = batch.filter((one) => batch.filter((other) => other === one).length === 1).length;
      if (alone < batchSize) repeated++;
      shared += (batchSize - alone) / batchSize;
    }
  }
  const probability = collisionProbability(counts, batchSize);
  const { sampleShare } = falseNegatives(counts, batchSize);
  // 8000 batches: four standard errors of a share of 0.2 are 0.018, and those of the share of pairs, which is at most 1 in each, less.
  expect(probability).toBeGreaterThan(0.1);
  expect(Math.abs(repeated / batches - probability)).toBeLessThan(
    4 * Math.sqrt((probability * (1 - probability)) / batches),
  );
  expect(Math.abs(shared / batches - sampleShare)).toBeLessThan(4 * Math.sqrt(sampleShare / batches));
});
