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
  return { band: { similarity, offset, ...anchors(rows) }, others: anchors(columns) };
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
  const { band } = bandOf(size);
  const { similarity, diagonal, inverseTau } = numbers({
    similarity: band.similarity,
    diagonal: band.diagonal,
    inverseTau: band.inverseTau,
  });
  const rows = Array.from({ length: size.rows }, (_, i) => {
    const x = Array.from(
      { length: size.columns },
      (__, j) => (similarity![i * size.columns + j]! - diagonal![i]!) * inverseTau![i]!,
    );
    x.splice(size.offset + i, 1);
    const largest = Math.max(...x);
    const terms = x.map((value) => Math.exp(value - largest));
    const sum = terms.reduce((total, term) => total + term, 0);
    return [largest + Math.log(sum), x.reduce((total, value, j) => total + value * terms[j]!, 0) / sum, largest];
  });
  const found = fusedContrastStatistics(band);
  for (const [k, what] of ["log-sum-exp", "mean", "largest"].entries())
    expectClose(
      found.select(0, k).toArray(),
      rows.map((row) => row[k]!),
      what,
    );
});

testKernel.each(cases)("terms of a band are their formulas in float64: $rows x $columns", (size) => {
  const { band, others } = bandOf(size);
  const own = numbers({ ...band, offset: tensor(0) });
  const theirs = numbers(others);
  const sums = Array.from({ length: 5 }, () => Array.from({ length: size.rows }, () => 0));
  const push = [...own["similarity"]!];
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
  }
  const alone = band.similarity.clone();
  const sumsAlone = fusedContrastTerms_({ ...band, similarity: alone }, undefined);
  const found = fusedContrastTerms_(band, others);
  expectClose(band.similarity.toArray(), push, "push");
  for (const k of sums.keys()) expectClose(found.select(0, k).toArray(), sums[k]!, `sum ${k}`);
  for (const k of [0, 1, 4]) expect(sumsAlone.select(0, k).toArray()).toEqual(found.select(0, k).toArray());
  for (const k of [2, 3]) expect(sumsAlone.select(0, k).abs().max().item()).toBe(0);
  expectClose(alone.sumDim({ dim: [1] }).toArray(), sums[4]!, "push alone");
});

testKernel("terms that are nothing beside the others count as 0, not as denormal numbers", () => {
  const similarity = tensor([0, 0.999, 0.1, 0, -0.05], { shape: [1, 5] });
  const anchor = { diagonal: tensor([1]), inverseTau: tensor([100.5]), logWeight: tensor([0]) };
  fusedContrastTerms_({ similarity, offset: 0, ...anchor }, undefined);
  const [own, near, ...far] = similarity.toArray();
  expect([own, ...far]).toEqual([0, 0, 0, 0]);
  expect(near).toBeCloseTo(100.5 * Math.exp(-0.1005), 3);
});

testKernel("what is no number shows, and what is too large is infinite", () => {
  const anchor = { diagonal: tensor([0, 0]), inverseTau: tensor([1.5]), logWeight: tensor([0.5]) };
  const make = (value: number) => ({
    similarity: tensor([0, 1, value, 1, 0, 0.5], { shape: [2, 3] }),
    offset: 0,
    ...anchor,
  });
  expect(fusedContrastStatistics(make(Number.NaN)).select(1, 0).toArray()[0]).toBeNaN();
  const [sum, whole] = fusedContrastTerms_(make(Number.NaN), undefined).select(0, 0).toArray();
  expect(sum).toBeNaN();
  expect(whole).toBeCloseTo(Math.exp(1) + Math.exp(0.25), 5);
  expect(fusedContrastTerms_(make(1e9), undefined).select(0, 0).toArray()[0]).toBe(Number.POSITIVE_INFINITY);
});

testKernel("the number of threads changes nothing", () => {
  const { band, others } = bandOf({ rows: 50, columns: 3000, offset: 100, scale: 20 });
  expectSameOnThreads(() => {
    const similarity = band.similarity.clone();
    return [fusedContrastStatistics(band), fusedContrastTerms_({ ...band, similarity }, others), similarity];
  });
});

testKernel("what does not fit together is refused", () => {
  const { band, others } = bandOf({ rows: 3, columns: 5, offset: 2, scale: 1 });
  expect(fusesContrast(band.similarity)).toBe(true);
  expect(fusesContrast(band.similarity.to("float64"))).toBe(false);
  expect(() => fusedContrastStatistics({ ...band, offset: 3 })).toThrow("for each row its own pair's column");
  expect(() => fusedContrastStatistics({ ...band, diagonal: rand([2]) })).toThrow(
    "diagonal: expected 3 numbers or one",
  );
  expect(() => fusedContrastTerms_({ ...band, inverseTau: tensor([1, 2, 3], { dtype: "int64" }) }, others)).toThrow(
    "inverseTau: expected contiguous float32 on a CPU",
  );
  expect(() => fusedContrastTerms_(band, { ...others, logWeight: rand([3]) })).toThrow(
    "logWeight: expected 5 numbers or one",
  );
});

testKernel("no rows give nothing", () => {
  const none = rand([0]);
  const band = { similarity: rand([0, 0]), offset: 0, diagonal: none, inverseTau: tensor([1.5]), logWeight: none };
  expect(fusedContrastStatistics(band).shape).toEqual([3, 0]);
  expect(fusedContrastTerms_(band, undefined).shape).toEqual([5, 0]);
});
