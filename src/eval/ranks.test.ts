import { describe, expect, test } from "vitest";
import { fromBuffer, liveTensors, scope, tensor } from "../tensor/index.ts";
import { hitRate, rankTargets } from "./ranks.ts";

/** Unit rows of a seeded stream (Park and Miller's generator), as numbers of float32. */
function randomRows(count: number, width: number, seed: number): Float32Array {
  let state = seed;
  const draw = (): number => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  const rows = Array.from({ length: count }, () => Array.from({ length: width }, draw));
  return Float32Array.from(rows.flatMap((row) => row.map((value) => value / Math.hypot(...row))));
}

function matrix(values: Float32Array, width: number) {
  return fromBuffer(values, { shape: [values.length / width, width] });
}

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("by hand", () => {
  // Products of the query with the candidates: 1, 0.8, 0.6, 0.
  const queries = () => tensor([1, 0], { shape: [1, 2] });
  const candidates = () => tensor([1, 0, 0.8, 0.6, 0.6, 0.8, 0, 1], { shape: [4, 2] });

  test.each([
    { target: 0, above: 0 },
    { target: 1, above: 1 },
    { target: 2, above: 2 },
    { target: 3, above: 3 },
  ])("target $target has $above above it", ({ target, above }) => {
    const ranks = scope(() => rankTargets({ queries: queries(), candidates: candidates(), targets: [target] }));
    expect(ranks).toEqual({ above: Int32Array.of(above), tied: Int32Array.of(0), competitors: Int32Array.of(3) });
  });

  test("candidates of the target's group do not compete", () => {
    const groups = [7, 7, 5, 7];
    const ranks = scope(() => rankTargets({ queries: queries(), candidates: candidates(), targets: [3], groups }));
    expect(ranks).toEqual({ above: Int32Array.of(1), tied: Int32Array.of(0), competitors: Int32Array.of(1) });
  });

  test("a tie counts as the share of orders in which the target is among the best k", () => {
    // One above, and the target tied with two others: it is second, third or fourth with equal chance.
    const tied = tensor([1, 0, 0.6, 0.8, 0.6, 0.8, 0.6, -0.8, 0, 1], { shape: [5, 2] });
    const ranks = scope(() => rankTargets({ queries: queries(), candidates: tied, targets: [2] }));
    expect(ranks).toEqual({ above: Int32Array.of(1), tied: Int32Array.of(2), competitors: Int32Array.of(4) });
    const rates = [1, 2, 3, 4, 5].map((k) => hitRate(ranks, { k, rows: [0] }).value);
    expect(rates).toEqual([0, 1 / 3, 2 / 3, 1, 1]);
  });
});

describe("against all pairs in float64", () => {
  const [count, width] = [37, 6];
  const [a, b] = [randomRows(count, width, 1), randomRows(count, width, 2)];
  const targets = all(count).map((i) => (i * 5) % count);
  const groups = all(count).map((i) => i % 9);

  function bruteForce(query: number): { above: number; competitors: number } {
    const dot = (candidate: number): number =>
      all(width).reduce((sum, k) => sum + a[query * width + k]! * b[candidate * width + k]!, 0);
    const target = targets[query]!;
    const rivals = all(count).filter((candidate) => groups[candidate] !== groups[target]);
    return { above: rivals.filter((rival) => dot(rival) > dot(target)).length, competitors: rivals.length };
  }

  test.each([1, 40, 100, 10_000])("with %i scores held at a time", (held) => {
    const options = { queries: matrix(a, width), candidates: matrix(b, width), targets, groups, held };
    const ranks = rankTargets(options);
    const expected = all(count).map(bruteForce);
    expect([...ranks.above]).toEqual(expected.map(({ above }) => above));
    expect([...ranks.competitors]).toEqual(expected.map(({ competitors }) => competitors));
    const wanted = expected.filter(({ above }) => above < 5).length / count;
    expect(hitRate(ranks, { k: 5, rows: all(count) }).value).toBeCloseTo(wanted, 12);
  });

  test("no tensor stays", () => {
    const options = { queries: matrix(a, width), candidates: matrix(b, width), targets, held: 100 };
    const before = liveTensors();
    rankTargets(options);
    // Fewer when garbage of another test was collected meanwhile.
    expect(liveTensors()).toBeLessThanOrEqual(before);
  });
});

test("a model that gives everything the same features is exactly at chance", () => {
  const same = Float32Array.from({ length: 50 * 7 }, () => 1 / Math.sqrt(7));
  const ranks = rankTargets({ queries: matrix(same, 7), candidates: matrix(same, 7), targets: all(50), held: 170 });
  for (const k of [1, 5, 10]) {
    const rate = hitRate(ranks, { k, rows: all(50) });
    expect(rate.value).toBeCloseTo(k / 50, 12);
    expect(rate.chance).toBeCloseTo(k / 50, 12);
  }
});

test("chance is k of the competitors and the target, and at most 1", () => {
  const ranks = { above: Int32Array.of(0, 0), tied: Int32Array.of(0, 0), competitors: Int32Array.of(3, 7) };
  expect(hitRate(ranks, { k: 2, rows: [0, 1] }).chance).toBe((2 / 4 + 2 / 8) / 2);
  expect(hitRate(ranks, { k: 5, rows: [0, 1] }).chance).toBe((1 + 5 / 8) / 2);
  expect(hitRate(ranks, { k: 5, rows: [1] })).toEqual({ value: 1, chance: 5 / 8, count: 1 });
});

test("a rate over nothing is refused", () => {
  const ranks = { above: new Int32Array(), tied: new Int32Array(), competitors: new Int32Array() };
  expect(() => hitRate(ranks, { k: 1, rows: [] })).toThrow("no queries");
});
