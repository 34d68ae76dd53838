// What a run's own log says of its speed, and of its waiting for data.
import type { MetricsRecord, TrainRecord } from "../../src/telemetry/metrics.ts";

interface Speed {
  readonly samplesPerSecond: number;
  /** Share of the time that was spent waiting for a batch, 0..1. */
  readonly waitShare: number;
}

export interface SpeedOfRun {
  readonly begin: Speed;
  readonly steady: Speed;
}

interface Steps {
  /** The last step that belongs to the beginning; a record ends with it. */
  readonly beginning: number;
}

/** The beginning of a run, and all that came after it. */
export function speedOf(records: readonly MetricsRecord[], { beginning }: Steps): SpeedOfRun {
  const train = records.filter((record): record is TrainRecord => record.kind === "train");
  const intervals = train.map((record, i) => {
    const samples = record.samples - (train[i - 1]?.samples ?? 0);
    const seconds = samples / record.samplesPerSecond;
    return { step: record.step, samples, seconds, waited: seconds * record.dataWait };
  });
  return {
    begin: total(intervals.filter(({ step }) => step <= beginning)),
    steady: total(intervals.filter(({ step }) => step > beginning)),
  };
}

function total(intervals: readonly { samples: number; seconds: number; waited: number }[]): Speed {
  const sum = (key: "samples" | "seconds" | "waited"): number =>
    intervals.reduce((before, interval) => before + interval[key], 0);
  return { samplesPerSecond: sum("samples") / sum("seconds"), waitShare: sum("waited") / sum("seconds") };
}
