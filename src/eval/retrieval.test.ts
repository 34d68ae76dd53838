import { expect, test } from "vitest";
import { tensor } from "../tensor/index.ts";
import { hitRate } from "./ranks.ts";
import { rankPairs } from "./retrieval.ts";

// Pairs 0 and 2 show the same thing. Products, pictures down and captions across:
//   0.8  0    1
//   0.6  1    0
//   1    0.6  0.8
const images = () => tensor([1, 0, 0, 1, 0.8, 0.6], { shape: [3, 2] });
const texts = () => tensor([0.8, 0.6, 0, 1, 1, 0], { shape: [3, 2] });
const rates = (groups: number[]) =>
  rankPairs({ images: images(), texts: texts(), groups: Int32Array.from(groups) }).map(
    ({ direction, counting, ranks }) => {
      const { value, chance } = hitRate(ranks, { k: 1, rows: [0, 1, 2] });
      return { name: `${direction} ${counting}`, value, chance };
    },
  );

test("each direction is counted plain, and masked where pairs share a group", () => {
  // Picture 0: caption 2 (1) before its own (0.8). Picture 1: its own (1). Picture 2: caption 0 (1) before its own (0.8).
  // Without the other pair of the group, pictures 0 and 2 have only caption 1 (0 and 0.6) against them, and win.
  expect(rates([4, 5, 4])).toEqual([
    { name: "image-to-text plain", value: 1 / 3, chance: 1 / 3 },
    { name: "text-to-image plain", value: 1 / 3, chance: 1 / 3 },
    { name: "image-to-text masked", value: 1, chance: (1 / 2 + 1 / 3 + 1 / 2) / 3 },
    { name: "text-to-image masked", value: 1, chance: (1 / 2 + 1 / 3 + 1 / 2) / 3 },
  ]);
});

test("masked is left out where it says the same", () => {
  expect(rates([0, 1, 2]).map(({ name }) => name)).toEqual(["image-to-text plain", "text-to-image plain"]);
});

test("the two directions differ where they should", () => {
  // Picture 1's own caption (0.6) beats the other (0); caption 1 is nearer to picture 0 (0.8) than to its own.
  const pairs = rankPairs({
    images: tensor([1, 0, 0, 1], { shape: [2, 2] }),
    texts: tensor([1, 0, 0.8, 0.6], { shape: [2, 2] }),
    groups: Int32Array.of(0, 1),
  });
  expect(pairs.map(({ ranks }) => [...ranks.above])).toEqual([
    [0, 0],
    [0, 1],
  ]);
});

test("one pair alone is always right, and chance says so", () => {
  const pairs = rankPairs({
    images: tensor([1, 0], { shape: [1, 2] }),
    texts: tensor([0, 1], { shape: [1, 2] }),
    groups: Int32Array.of(0),
  });
  for (const { ranks } of pairs) expect(hitRate(ranks, { k: 1, rows: [0] })).toEqual({ value: 1, chance: 1, count: 1 });
});
