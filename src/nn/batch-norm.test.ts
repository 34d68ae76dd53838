import { expect, test } from "vitest";
import { tensor } from "../tensor/index.ts";
import { BatchNorm2d } from "./batch-norm.ts";

test("batch norm normalises by the batch in training, and by what it has seen in evaluation", () => {
  const norm = new BatchNorm2d(1);
  const x = tensor([1, 3, 5, 7], { shape: [2, 1, 1, 2] });
  // Mean 4; variance 5 (biased), 20/3 (unbiased, which the running variance takes).
  const trained = norm.forward(x).toArray();
  expect(trained[0]).toBeCloseTo(-3 / Math.sqrt(5 + 1e-5), 5);
  expect(norm.runningMean.toArray()[0]).toBeCloseTo(0.1 * 4, 6);
  expect(norm.runningVar.toArray()[0]).toBeCloseTo(0.9 * 1 + (0.1 * 20) / 3, 6);
  expect(norm.numBatchesTracked.toArray()).toEqual([1]);
  const evaluated = norm.eval().forward(x).toArray();
  expect(evaluated[0]).toBeCloseTo((1 - 0.4) / Math.sqrt(0.9 + 2 / 3 + 1e-5), 5);
  expect(norm.numBatchesTracked.toArray()).toEqual([1]);
});
