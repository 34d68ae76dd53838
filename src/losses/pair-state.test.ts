import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { arange, randint, scope, tensor } from "../tensor/index.ts";
import { InnerEstimator } from "./estimator.ts";
import { IndividualLoss } from "./individual.ts";
import { pair } from "./pair.ts";
import { PairState } from "./pair-state.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-pairs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const diskBytes = (path: string): number => statSync(path).blocks * 512;

test("400 million pairs take disk only for the pairs that were met", () => {
  const path = join(folder, "pairs.f32");
  const size = 400_000_000;
  const started = performance.now();
  const state = PairState.inFile(IndividualLoss.columns, { size, path });
  const estimator = new InnerEstimator(state);
  expect(performance.now() - started).toBeLessThan(2000);
  expect(statSync(path).size).toBe(10 * 4 * size);
  scope(() => {
    const ids = randint(size, [500], { dtype: "int64" });
    const logG = pair(() => ids.to("float32").mul(1e-6).add(1));
    estimator.store(ids, estimator.updated(ids, logG, 0.5));
    const seen = estimator.updated(ids, logG, 0.5).image.toArray();
    const given = logG.image.toArray();
    for (const [i, value] of seen.entries()) expect(value).toBeCloseTo(given[i]!, 3);
  });
  // Two of the ten columns were written, at 500 places: at most a page (or a few, read ahead) for each.
  expect(diskBytes(path)).toBeLessThan(64e6);
  state.close();
});

test("what was written is there when the file is opened again", () => {
  const path = join(folder, "pairs.f32");
  const names = ["a", "b"];
  const first = PairState.inFile(names, { size: 5, path });
  first.column("b").indexCopy_(0, tensor([3], { dtype: "int64" }), tensor([2.5]));
  first.close();
  const again = PairState.inFile(names, { size: 5, path });
  expect(again.column("b").toArray()).toEqual([0, 0, 0, 2.5, 0]);
  expect(again.column("a").toArray()).toEqual([0, 0, 0, 0, 0]);
  again.close();
});

test("two tables over one file share their memory", () => {
  const path = join(folder, "pairs.f32");
  const [writer, reader] = [PairState.inFile(["u"], { size: 3, path }), PairState.inFile(["u"], { size: 3, path })];
  writer.column("u").copy_(arange(3, { dtype: "float32" }));
  expect(reader.column("u").toArray()).toEqual([0, 1, 2]);
  writer.close();
  reader.close();
});

test("a column that is not there is refused by name", () => {
  expect(() => PairState.inMemory(["u"], 3).column("v")).toThrow("there is no column v; expected one of u");
});
