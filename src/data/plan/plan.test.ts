import { describe, expect, test } from "vitest";
import { createPlan, type Plan } from "./plan.ts";

function order(length: number, seed: number, epoch: number): number[] {
  const plan = createPlan({ starts: [0, length], seed, order: { kind: "global" } }, epoch);
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
  const plan = createPlan({ starts: [0, 5], seed: 1, order: { kind: "ids" } }, 9);
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
  const plan = createPlan({ starts: [0, 1e12], seed: 1, order: { kind: "global" } }, 0);
  const ids = Array.from({ length: 1000 }, (_, position) => plan.at(position));
  expect(new Set(ids).size).toBe(1000);
  expect(ids.every((id) => id >= 0 && id < 1e12)).toBe(true);
});

test("a position outside the epoch is refused", () => {
  const plan = createPlan({ starts: [0, 5], seed: 1, order: { kind: "global" } }, 0);
  for (const position of [-1, 5, 0.5, Number.NaN])
    expect(() => plan.at(position)).toThrow("outside the epoch's 0 to 4");
});

describe("by windows of shards", () => {
  // Shards of 3, 0, 5, 1, 4 and 2 samples.
  const starts = [0, 3, 3, 8, 9, 13, 15];
  const sizes = [3, 0, 5, 1, 4, 2];
  const shardOf = (id: number): number => starts.findIndex((start, i) => id >= start && id < starts[i + 1]!);
  const planOf = (epoch: number, segments = 2): Plan =>
    createPlan({ starts, seed: 1, order: { kind: "window", segments } }, epoch);
  const idsOf = ({ length, at }: Plan): number[] => Array.from({ length }, (_, position) => at(position));

  test("each id stands at one position, and only two shards are mixed at a time", () => {
    for (let epoch = 0; epoch < 20; epoch++) {
      const ids = idsOf(planOf(epoch));
      expect([...ids].sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, id) => id));
      const seen: number[] = [];
      for (const [position, id] of ids.entries()) {
        const ahead = planOf(epoch).segmentsFrom!(position);
        expect(ahead.slice(0, 2)).toContain(shardOf(id));
        if (!seen.includes(shardOf(id))) seen.push(shardOf(id));
      }
      const order = [...new Set(ids.flatMap((_, position) => planOf(epoch).segmentsFrom!(position)))];
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5]);
      expect(seen.length).toBe(sizes.filter((size) => size > 0).length);
    }
  });

  test("shards and samples have another order every epoch, and the same one again", () => {
    const orders = new Set(Array.from({ length: 10 }, (_, epoch) => idsOf(planOf(epoch)).join()));
    expect(orders.size).toBe(10);
    expect(idsOf(planOf(3))).toEqual(idsOf(planOf(3)));
  });

  test("the samples of a window are mixed", () => {
    const changes = Array.from({ length: 100 }, (_, epoch) => {
      const shards = idsOf(planOf(epoch, 6)).map(shardOf);
      return shards.filter((shard, i) => i > 0 && shard !== shards[i - 1]).length;
    });
    // Of 14 neighbours, 14 * (1 - sum n (n - 1) / (15 * 14)) = 10.7 are expected to be of different shards.
    const mean = changes.reduce((sum, count) => sum + count, 0) / changes.length;
    expect(Math.abs(mean - 10.7)).toBeLessThan(1);
  });
});

describe("patterns mixed by factors", () => {
  /** Three patterns of 100, 40 and 10 samples. */
  const mixStarts = [0, 100, 140, 150];
  const planOf = (factors: readonly number[], epoch: number): Plan =>
    createPlan({ starts: [0, 150], seed: 2, order: { kind: "global" }, mix: { starts: mixStarts, factors } }, epoch);
  const countsOf = (plan: Plan): Map<number, number> => {
    const counts = new Map<number, number>();
    for (let position = 0; position < plan.length; position++) {
      const id = plan.at(position);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  };

  test("each comes as often as its factor says, its samples equally often", () => {
    const factors = [0.25, 1, 7];
    const total = new Map<number, number>();
    for (let epoch = 0; epoch < 4; epoch++) {
      const plan = planOf(factors, epoch);
      expect(plan.length).toBe(25 + 40 + 70);
      const counts = countsOf(plan);
      for (let id = 100; id < 140; id++) expect(counts.get(id)).toBe(1);
      for (let id = 140; id < 150; id++) expect(counts.get(id)).toBe(7);
      for (const [id, count] of counts) total.set(id, (total.get(id) ?? 0) + count);
    }
    // Four epochs of a quarter each.
    for (let id = 0; id < 100; id++) expect(total.get(id)).toBe(1);
  });

  test("the mix is the same all along the epoch, and no sample is met again at once", () => {
    const plan = planOf([1, 1, 5], 0);
    const fifth = plan.length / 5;
    for (let part = 0; part < 5; part++) {
      const ids = Array.from({ length: fifth }, (_, i) => plan.at(part * fifth + i));
      expect(new Set(ids).size).toBe(fifth);
      expect(ids.filter((id) => id >= 140)).toHaveLength(10);
      expect(ids.filter((id) => id < 100)).toHaveLength(20);
    }
  });

  test("the order is a function of seed and epoch", () => {
    const order = (epoch: number): number[] => Array.from({ length: 150 }, (_, i) => planOf([1, 1, 1], epoch).at(i));
    expect(order(0)).toEqual(order(0));
    expect(order(1)).not.toEqual(order(0));
    expect([...order(1)].sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, id) => id));
  });
});
