// The folder of a run and the files in it.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describeEnvironment } from "../telemetry/environment.ts";
import { engineInfo } from "../tensor/index.ts";
import { saveConfig } from "./config/print.ts";
import type { Config } from "./config/types.ts";

/** Paths in a run's folder. */
export const runFiles = {
  config: (run: string): string => join(run, "config.yaml"),
  environment: (run: string): string => join(run, "environment.json"),
  metrics: (run: string): string => join(run, "metrics.jsonl"),
  results: (run: string): string => join(run, "results.json"),
  report: (run: string): string => join(run, "report.html"),
};

/** Makes the folder of a new run, or goes on with that of `run.resume`, and writes down what the run is. */
export function openRunFolder(config: Config): string {
  const run = config.run.resume ?? join(config.run.logs, config.run.name ?? defaultName(config));
  if (config.run.resume === undefined && existsSync(runFiles.config(run)))
    throw new Error(`${run} holds a run already: choose another --name, or go on with it by --resume ${run}`);
  if (config.run.resume !== undefined && !existsSync(runFiles.config(run)))
    throw new Error(`--resume ${run}: there is no run in it (no config.yaml)`);
  mkdirSync(run, { recursive: true });
  saveConfig(config, runFiles.config(run));
  const { version: torch, ...engine } = engineInfo();
  writeFileSync(
    runFiles.environment(run),
    `${JSON.stringify({ ...describeEnvironment(), torch, ...engine }, null, 2)}\n`,
  );
  return run;
}

/** "2026-01-31T12-30-05-ViT-B-32-fastclip-v3": sorts by time and says what it is. */
function defaultName({ model, loss }: Config): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `${time}-${basename(model.name, ".json")}-${loss.kind}`;
}
