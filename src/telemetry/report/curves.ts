// The run's curves as numbers that the page draws: sorted, smoothed, and thinned out to what a screen can show.
import type { EvalRecord, MetricsRecord, TrainRecord } from "../metrics.ts";

interface Series {
  readonly label: string;
  /** `null` where there is no finite number: the line has a gap there. */
  readonly values: readonly (number | null)[];
  /** "main" is the curve, "noise" the faint one behind it that it is the mean of; a number is a place in the palette. */
  readonly tone: "main" | "noise" | number;
}

export interface Chart {
  readonly title: string;
  /** Follows each number, with the space before it: " %". */
  readonly unit: string;
  readonly x: readonly number[];
  readonly series: readonly Series[];
  /** The y axis starts at 0, for figures whose size means something. */
  readonly fromZero: boolean;
  /** What the axis covers at least, so that a flat curve is drawn flat. */
  readonly wide: boolean;
}

interface Curve {
  readonly title: string;
  readonly unit?: string;
  readonly value: (record: TrainRecord) => number | undefined;
  /** Differs much from step to step: a moving mean is drawn over it. */
  readonly noisy?: boolean;
  readonly fromZero?: boolean;
}

const trainCurves: readonly Curve[] = [
  { title: "Loss", value: (record) => record.loss, noisy: true },
  { title: "InfoNCE", value: (record) => record.infoNce, noisy: true },
  { title: "Temperature tau", value: (record) => record.tau },
  { title: "Gamma", value: (record) => record.gamma, fromZero: true },
  { title: "Samples per second", value: (record) => record.samplesPerSecond, noisy: true, fromZero: true },
  { title: "Learning rate", value: (record) => record.lr, fromZero: true },
  { title: "Memory", unit: " GB", value: (record) => record.residentBytes / 1e9, fromZero: true },
  { title: "Waiting for data", unit: " %", value: (record) => record.dataWait * 100, noisy: true, fromZero: true },
  { title: "Gradient norm", value: (record) => record.gradNorm, noisy: true, fromZero: true },
];

/** Points that a curve is thinned out to: two for each pixel of a wide screen would be no better. */
const mostPoints = 1200;
/** The moving mean spans a fiftieth of the run. */
const smoothingShare = 1 / 50;
/** More lines than this in one chart are not told apart. */
const mostSeries = 6;

/** The charts of a run, without those that have nothing to show. */
export function buildCharts(metrics: readonly MetricsRecord[]): Chart[] {
  const records = byStep(metrics.filter((record): record is TrainRecord => record.kind === "train"));
  const evals = byStep(metrics.filter((record): record is EvalRecord => record.kind === "eval"));
  const [loss, ...rest] = trainCurves.map((curve) => trainChart(curve, records));
  return [loss, evalChart(evals), ...rest].filter((chart) => chart !== undefined);
}

/** In ascending order of step; of two records of one step the later one counts. */
function byStep<T extends { readonly step: number }>(records: readonly T[]): T[] {
  const last = new Map(records.map((record) => [record.step, record]));
  return [...last.values()].sort((a, b) => a.step - b.step);
}

function trainChart(curve: Curve, records: readonly TrainRecord[]): Chart | undefined {
  const values = records.map((record) => finite(curve.value(record)));
  if (values.every((value) => value === null)) return undefined;
  const span = Math.round(records.length * smoothingShare);
  const points = thin(values, mostPoints);
  const at = (all: readonly (number | null)[]) => points.map((index) => short(all[index] ?? null));
  const label = curve.title.toLowerCase();
  const series: Series[] =
    curve.noisy && span > 1
      ? [
          { label: "raw", values: at(values), tone: "noise" },
          { label: "mean", values: at(movingMean(values, span)), tone: "main" },
        ]
      : [{ label, values: at(values), tone: "main" }];
  const x = points.map((index) => records[index]!.step);
  const { title, unit = "", fromZero = false } = curve;
  return { title, unit, x, series, fromZero, wide: title === "Loss" };
}

/** Evaluations made while the run went on; one alone is a row of the table and no curve. */
function evalChart(evals: readonly EvalRecord[]): Chart | undefined {
  if (evals.length < 2) return undefined;
  const names = [...new Set(evals.flatMap((record) => record.results.map(nameOf)))].slice(0, mostSeries);
  if (names.length === 0) return undefined;
  const series = names.map((name, tone) => ({
    label: name,
    tone,
    values: evals.map((record) => {
      const share = finite(record.results.find((result) => nameOf(result) === name)?.value);
      return short(share === null ? null : share * 100);
    }),
  }));
  const x = evals.map((record) => record.step);
  return { title: "Evaluation", unit: " %", x, series, fromZero: true, wide: true };
}

function nameOf(result: { readonly split: string; readonly metric: string }): string {
  return `${result.split}: ${result.metric}`;
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** Six digits: finer than a pixel, and half the bytes. */
function short(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(6));
}

/** Mean of the finite values among the `span` around each one; null where a value is missing. */
export function movingMean(values: readonly (number | null)[], span: number): (number | null)[] {
  const sums = [0];
  const counts = [0];
  for (const value of values) {
    sums.push(sums.at(-1)! + (value ?? 0));
    counts.push(counts.at(-1)! + (value === null ? 0 : 1));
  }
  return values.map((value, index) => {
    if (value === null) return null;
    const from = Math.max(0, index - Math.floor(span / 2));
    const to = Math.min(values.length, from + span);
    return (sums[to]! - sums[from]!) / (counts[to]! - counts[from]!);
  });
}

/**
 * Ascending indices of at most about `most` values: the ends, and the least and the greatest of each bucket, so that a spike of
 * one step is still seen. A bucket with missing values keeps one of them, so that the gap is seen too.
 */
export function thin(values: readonly (number | null)[], most: number): number[] {
  if (values.length <= most) return values.map((_, index) => index);
  const kept = new Set([0, values.length - 1]);
  const buckets = Math.floor(most / 2);
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = Math.floor((bucket * values.length) / buckets);
    const end = Math.floor(((bucket + 1) * values.length) / buckets);
    for (const index of extremes(values, start, end)) kept.add(index);
  }
  return [...kept].sort((a, b) => a - b);
}

function extremes(values: readonly (number | null)[], start: number, end: number): number[] {
  let [least, greatest, missing] = [-1, -1, -1];
  for (let index = start; index < end; index++) {
    const value = values[index] ?? null;
    if (value === null) missing = index;
    else {
      if (least < 0 || value < values[least]!) least = index;
      if (greatest < 0 || value > values[greatest]!) greatest = index;
    }
  }
  return [least, greatest, missing].filter((index) => index >= 0);
}
