import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import {
  fusedContrastStatistics,
  fusedContrastTerms_,
  fusesContrast,
  manualSeed,
  rand,
  type Tensor,
  tensor,
} from "./index.ts";
import { expectSameOnThreads } from "./threads.fixture.ts";

const testKernel = test.runIf(native.hasAvx512BFloat16());

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly offset: number;
  /** About the size of the exponents. */
  readonly scale: number;
}
const cases: readonly Case[] = [
  { rows: 1, columns: 2, offset: 1, scale: 1 },
  { rows: 5, columns: 16, offset: 0, scale: 10 },
  { rows: 7, columns: 45, offset: 20, scale: 100 },
  { rows: 33, columns: 33, offset: 0, scale: 30 },
  { rows: 3, columns: 9001, offset: 4500, scale: 60 },
];

/** Similarities and anchors; temperatures are an anchor's own. */
function bandOf({ rows, columns, offset, scale }: Case) {
  manualSeed(rows);
  const anchors = (count: number) => ({
    diagonal: rand([count]),
    inverseTau: rand([count]).add(0.5).mul(scale),
    logWeight: rand([count]).mul(-10).add(scale),
  });
  const similarity = rand([rows, columns]).mul(2).sub(1);
  return { band: { similarity, offset }, own: anchors(rows), others: anchors(columns) };
}

type Numbers = { readonly [name: string]: readonly number[] };
const numbers = (tensors: Record<string, Tensor>): Numbers =>
  Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, x.toArray()]));

function expectClose(found: readonly number[], expected: readonly number[], what: string): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(found.length).toBe(expected.length);
  for (const [i, x] of expected.entries())
    expect(Math.abs(found[i]! - x), `${what} ${i}: ${found[i]}, not ${x}`).toBeLessThan(
      1e-30 + 2e-5 * Math.min(largest, Math.abs(x) + 1e-3 * largest),
    );
}

testKernel.each(cases)("statistics of a band are their formulas in float64: $rows x $columns", (size) => {
  const { band, own, others } = bandOf(size);
  const similarity = band.similarity.toArray();
  const found = fusedContrastStatistics(band, { own, others });
  const expectStatistics = (sums: Tensor, anchors: Numbers, partnersOf: (i: number) => readonly number[]): void => {
    const expected = anchors["diagonal"]!.map((diagonal, i) => {
      const x = partnersOf(i).map((value) => (value - diagonal) * anchors["inverseTau"]![i]!);
      const largest = Math.max(...x);
      const terms = x.map((value) => Math.exp(value - largest));
      const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
      return [largest, sum(terms), sum(x.map((value, j) => value * terms[j]!))];
    });
    const isMet = anchors["diagonal"]!.map((_, i) => partnersOf(i).length > 0);
    for (const [k, what] of ["largest", "terms", "products"].entries()) {
      const values = sums.select(0, k).toArray();
      expectClose(
        values.filter((_, i) => isMet[i]),
        expected.flatMap((row, i) => (isMet[i] ? [row[k]!] : [])),
        what,
      );
      for (const value of values.filter((_, i) => !isMet[i]))
        if (what === "largest") expect(value).toBeLessThan(-1e29);
        else expect(value).toBe(0);
    }
  };
  const { rows, columns, offset } = size;
  expectStatistics(found.rows, numbers(own), (i) =>
    similarity.slice(i * columns, (i + 1) * columns).filter((_, j) => j !== offset + i),
  );
  expectStatistics(found.columns!, numbers(others), (j) =>
    Array.from({ length: rows }, (_, i) => similarity[i * columns + j]!).filter((_, i) => j !== offset + i),
  );
  expect(fusedContrastStatistics(band, { own }).columns).toBeUndefined();
});

testKernel.each(cases)("terms of a band are their formulas in float64: $rows x $columns", (size) => {
  const anchors = bandOf(size);
  const { band } = anchors;
  const [own, theirs] = [numbers(anchors.own), numbers(anchors.others)];
  const sums = Array.from({ length: 5 }, () => Array.from({ length: size.rows }, () => 0));
  const pulls = Array.from({ length: size.columns }, () => 0);
  const push = band.similarity.toArray();
  for (const [at, similarity] of push.entries()) {
    const [i, j] = [Math.floor(at / size.columns), at % size.columns];
    const term = (anchors: Numbers, k: number) => {
      const x = (similarity - anchors["diagonal"]![k]!) * anchors["inverseTau"]![k]!;
      return {
        x,
        value: j === i + size.offset ? 0 : Math.exp(x - anchors["logWeight"]![k]!),
        inverseTau: anchors["inverseTau"]![k]!,
      };
    };
    const [ofRow, ofColumn] = [term(own, i), term(theirs, j)];
    push[at] = ofRow.value * ofRow.inverseTau + ofColumn.value * ofColumn.inverseTau;
    const parts = [
      ofRow.value,
      ofRow.value * ofRow.x,
      ofColumn.value,
      ofColumn.value * ofColumn.x,
      ofRow.value * ofRow.inverseTau,
    ];
    for (const [k, part] of parts.entries()) sums[k]![i]! += part;
    pulls[j]! += ofColumn.value * ofColumn.inverseTau;
  }
  const [alone, again] = [band.similarity.clone(), band.similarity.clone()];
  const { own: rows, others } = anchors;
  const sumsAlone = fusedContrastTerms_({ ...band, similarity: alone }, { own: rows }).sums;
  const { sums: found, columnPull } = fusedContrastTerms_(band, { own: rows, others });
  expect(columnPull).toBeUndefined();
  expectClose(band.similarity.toArray(), push, "push");
  for (const k of sums.keys()) expectClose(found.select(0, k).toArray(), sums[k]!, `sum ${k}`);
  for (const k of [0, 1, 4]) expect(sumsAlone.select(0, k).toArray()).toEqual(found.select(0, k).toArray());
  for (const k of [2, 3]) expect(sumsAlone.select(0, k).abs().max().item()).toBe(0);
  expectClose(alone.sumDim({ dim: [1] }).toArray(), sums[4]!, "push alone");
  const pulled = fusedContrastTerms_({ ...band, similarity: again }, { own: rows, others, pullsColumns: true });
  expectClose(pulled.columnPull!.toArray(), pulls, "pull of a column");
  expect(pulled.sums.toArray()).toEqual(found.toArray());
  expectClose(again.toArray(), push, "push where columns are pulled");
});

testKernel("terms that are nothing beside the others count as 0, not as denormal numbers", () => {
  const similarity = tensor([0, 0.999, 0.1, 0, -0.05], { shape: [1, 5] });
  const own = { diagonal: tensor([1]), inverseTau: tensor([100.5]), logWeight: tensor([0]) };
  fusedContrastTerms_({ similarity, offset: 0 }, { own });
  const [diagonal, near, ...far] = similarity.toArray();
  expect([diagonal, ...far]).toEqual([0, 0, 0, 0]);
  expect(near).toBeCloseTo(100.5 * Math.exp(-0.1005), 3);
});

testKernel("what is no number shows, and what is too large is infinite", () => {
  const own = { diagonal: tensor([0, 0]), inverseTau: tensor([1.5]), logWeight: tensor([0.5]) };
  const others = { diagonal: tensor([0, 0, 0]), inverseTau: tensor([1.5]), logWeight: tensor([0.5]) };
  const make = (value: number) => ({
    similarity: tensor([0, 1, value, 1, 0, 0.5], { shape: [2, 3] }),
    offset: 0,
  });
  const { rows, columns } = fusedContrastStatistics(make(Number.NaN), { own, others });
  expect(rows.select(0, 1).toArray().map(Number.isNaN)).toEqual([true, false]);
  expect(columns!.select(0, 1).toArray().map(Number.isNaN)).toEqual([false, false, true]);
  const [sum, whole] = fusedContrastTerms_(make(Number.NaN), { own }).sums.select(0, 0).toArray();
  expect(sum).toBeNaN();
  expect(whole).toBeCloseTo(Math.exp(1) + Math.exp(0.25), 5);
  expect(fusedContrastTerms_(make(1e9), { own }).sums.select(0, 0).toArray()[0]).toBe(Number.POSITIVE_INFINITY);
});

testKernel("the number of threads changes nothing", () => {
  const { band, own, others } = bandOf({ rows: 150, columns: 3000, offset: 100, scale: 20 });
  expectSameOnThreads(() => {
    const similarity = band.similarity.clone();
    const { rows, columns } = fusedContrastStatistics(band, { own, others });
    const { sums, columnPull } = fusedContrastTerms_({ ...band, similarity }, { own, others, pullsColumns: true });
    return [rows, columns!, sums, columnPull!, similarity];
  });
});

testKernel("what does not fit together is refused", () => {
  const { band, own, others } = bandOf({ rows: 3, columns: 5, offset: 2, scale: 1 });
  expect(fusesContrast(band.similarity)).toBe(true);
  expect(fusesContrast(band.similarity.to("float64"))).toBe(false);
  expect(() => fusedContrastStatistics({ ...band, offset: 3 }, { own })).toThrow("for each row its own pair's column");
  expect(() => fusedContrastStatistics(band, { own: { ...own, diagonal: rand([2]) } })).toThrow(
    "diagonal: expected 3 numbers or one",
  );
  const integers = tensor([1, 2, 3], { dtype: "int64" });
  expect(() => fusedContrastTerms_(band, { own: { ...own, inverseTau: integers } })).toThrow(
    "inverseTau: expected contiguous float32 on a CPU",
  );
  expect(() => fusedContrastTerms_(band, { own, others: { ...others, logWeight: rand([3]) } })).toThrow(
    "logWeight: expected 5 numbers or one",
  );
  expect(() => fusedContrastTerms_(band, { own, pullsColumns: true })).toThrow("pullsColumns: expected others");
});

testKernel("no rows give nothing", () => {
  const none = rand([0]);
  const anchors = { diagonal: none, inverseTau: tensor([1.5]), logWeight: none };
  const band = { similarity: rand([0, 0]), offset: 0 };
  const { rows, columns } = fusedContrastStatistics(band, { own: anchors, others: anchors });
  expect([rows.shape, columns!.shape]).toEqual([
    [3, 0],
    [3, 0],
  ]);
  const { sums, columnPull } = fusedContrastTerms_(band, { own: anchors, others: anchors, pullsColumns: true });
  expect([sums.shape, columnPull!.shape]).toEqual([[5, 0], [0]]);
});
