// What a finished run leaves: results.json and the report.
import type { Evaluation } from "../eval/index.ts";
import { describeEnvironment } from "../telemetry/environment.ts";
import { readMetrics } from "../telemetry/metrics.ts";
import { writeReport } from "../telemetry/report/report.ts";
import { resolveBatch } from "./batch.ts";
import type { Config } from "./config/types.ts";
import { writeWhole } from "./durable.ts";
import type { LeftOutCounts } from "./quarantine-files.ts";
import { runFiles } from "./run-files.ts";

/** Seconds of each part; set-up and data are known when one command did them all. */
export interface RunTimes {
  readonly setup?: number;
  readonly data?: number;
  readonly training: number;
  readonly evaluation: number;
}

export interface FinishedRun {
  readonly folder: string;
  readonly config: Config;
  readonly evaluation: Evaluation | undefined;
  readonly times: RunTimes;
  readonly notes: readonly string[];
  readonly leftOut: LeftOutCounts;
}

export function writeResults({ folder, config, evaluation, times, notes, leftOut }: FinishedRun): void {
  const results = evaluation?.results ?? [];
  const environment = describeEnvironment();
  writeWhole(
    runFiles.results(folder),
    `${JSON.stringify({ results, seconds: times, leftOut, settings: config, environment }, null, 2)}\n`,
  );
  const { model, loss, run } = config;
  writeReport({
    path: runFiles.report(folder),
    title: `${model.name} trained with ${loss.kind}`,
    summary: [
      `${run.epochs} epochs, batch ${resolveBatch(config).batchSize}, on ${environment.cpu} (${environment.cores} cores).`,
    ],
    settings: { ...config },
    metrics: readMetrics(runFiles.metrics(folder)),
    results,
    gallery: evaluation?.gallery ?? [],
    notes,
    timings: { ...times },
  });
}
