import { expect, test } from "vitest";
import type { MetricsRecord, TrainRecord } from "../metrics.ts";
import { buildCharts, movingMean, thin } from "./curves.ts";

function train(step: number, change: Partial<TrainRecord> = {}): TrainRecord {
  const speeds = { samplesPerSecond: 300, dataWait: 0.1, residentBytes: 1.5e9, liveTensors: 10, time: 0 };
  return {
    kind: "train",
    step,
    epoch: 0,
    samples: step,
    loss: step,
    infoNce: 3,
    noInformation: 4.1589,
    tau: 0.05,
    lr: 1e-3,
    ...speeds,
    ...change,
  };
}

function evaluation(step: number, value: number): MetricsRecord {
  return { kind: "eval", step, epoch: 0, results: [{ split: "s", metric: "m", value, chance: 0, count: 1 }] };
}

test("moving mean: the window is shifted at the ends, and missing values are left out", () => {
  // Windows of 2: [1,2] [1,2] [2,-] missing [-,8]
  expect(movingMean([1, 2, null, 8], 2)).toEqual([1.5, 1.5, null, 8]);
});

test("thinning keeps the ends, spikes and gaps", () => {
  const values: (number | null)[] = Array.from({ length: 10_000 }, (_, index) => index % 7);
  values[1234] = 99;
  values[4321] = -99;
  values[7777] = null;
  const kept = thin(values, 200);
  expect(kept.length).toBeLessThanOrEqual(203);
  for (const index of [0, 1234, 4321, 7777, 9999]) expect(kept).toContain(index);
  expect(kept).toEqual([...kept].sort((a, b) => a - b));
  expect(thin([1, 2, 3], 200)).toEqual([0, 1, 2]);
});

test("records of a step that was made twice count once, in order of step", () => {
  const [loss] = buildCharts([train(2), train(1), train(2, { loss: 20 }), train(3)]);
  expect(loss?.x).toEqual([1, 2, 3]);
  expect(loss?.series[0]?.values).toEqual([1, 20, 3]);
});

test("numbers that are not finite are gaps, and a curve of nothing else is left out", () => {
  const charts = buildCharts([train(1, { loss: Number.NaN, gradNorm: Number.NaN }), train(2)]);
  expect(charts[0]?.series[0]?.values).toEqual([null, 2]);
  const titles = charts.map((chart) => chart.title);
  expect(titles).toEqual([
    "Loss",
    "InfoNCE",
    "Temperature tau",
    "Samples per second",
    "Learning rate",
    "Memory",
    "Waiting for data",
  ]);
});

test("a long noisy curve has its mean drawn over it", () => {
  const [loss] = buildCharts(Array.from({ length: 200 }, (_, index) => train(index, { loss: index % 2 })));
  expect(loss?.series.map((series) => series.tone)).toEqual(["noise", "main"]);
  expect(loss?.series[1]?.values[100]).toBe(0.5);
});

test("evaluations are a curve when there are two of them", () => {
  expect(buildCharts([evaluation(1, 0.1)])).toEqual([]);
  const [chart] = buildCharts([evaluation(1, 0.1), evaluation(2, 0.2)]);
  expect(chart).toMatchObject({ title: "Evaluation", x: [1, 2], unit: " %" });
  expect(chart?.series).toEqual([{ label: "s: m", tone: 0, values: [10, 20] }]);
});
