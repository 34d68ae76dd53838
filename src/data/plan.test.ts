import { expect, test } from "vitest";
import { createPlan } from "./plan.ts";

function order(length: number, seed: number, epoch: number): number[] {
  const plan = createPlan({ length, seed, epoch, shuffle: true });
  return Array.from({ length }, (_, position) => plan.at(position));
}

test.each([1, 2, 3, 5, 64, 1000, 4097])("every one of %i ids stands at one position", (length) => {
  expect(order(length, 3, 1).sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, id) => id));
});

test("the order is a function of seed and epoch", () => {
  expect(order(100, 1, 0)).toEqual(order(100, 1, 0));
  expect(order(100, 1, 0)).not.toEqual(order(100, 1, 1));
  expect(order(100, 1, 0)).not.toEqual(order(100, 2, 0));
});

test("without shuffling the order is that of the ids", () => {
  const plan = createPlan({ length: 5, seed: 1, epoch: 9, shuffle: false });
  expect([0, 1, 2, 3, 4].map((position) => plan.at(position))).toEqual([0, 1, 2, 3, 4]);
});

test("each id is equally often at each position", () => {
  const length = 6;
  const epochs = 6000;
  const counts = new Array<number>(length * length).fill(0);
  for (let epoch = 0; epoch < epochs; epoch++)
    for (const [at, id] of order(length, 1, epoch).entries()) counts[at * length + id]!++;
  // 1000 expected, standard deviation 29.
  for (const count of counts) expect(Math.abs(count - epochs / length)).toBeLessThan(150);
});

test("neighbours do not stay neighbours", () => {
  const shuffled = order(10_000, 1, 0);
  const together = shuffled.filter((id, at) => at > 0 && Math.abs(id - shuffled[at - 1]!) === 1);
  // Two of 10,000 positions are expected to hold neighbours by chance.
  expect(together.length).toBeLessThan(15);
});

test("a plan of 10^12 ids costs nothing", () => {
  const plan = createPlan({ length: 1e12, seed: 1, epoch: 0, shuffle: true });
  const ids = Array.from({ length: 1000 }, (_, position) => plan.at(position));
  expect(new Set(ids).size).toBe(1000);
  expect(ids.every((id) => id >= 0 && id < 1e12)).toBe(true);
});

test("a position outside the epoch is refused", () => {
  const plan = createPlan({ length: 5, seed: 1, epoch: 0, shuffle: true });
  for (const position of [-1, 5, 0.5, Number.NaN])
    expect(() => plan.at(position)).toThrow("outside the epoch's 0 to 4");
});
