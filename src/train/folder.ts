// The folder of a run and the files in it.
import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describeEnvironment } from "../telemetry/environment.ts";
import { engineInfo } from "../tensor/index.ts";
import { ConfigError } from "./config/errors.ts";
import { saveConfig } from "./config/print.ts";
import type { Config } from "./config/types.ts";
import { writeWhole } from "./durable.ts";

/** Paths in a run's folder. */
export const runFiles = {
  config: (run: string): string => join(run, "config.yaml"),
  environment: (run: string): string => join(run, "environment.json"),
  metrics: (run: string): string => join(run, "metrics.jsonl"),
  profile: (run: string): string => join(run, "profile.json"),
  results: (run: string): string => join(run, "results.json"),
  report: (run: string): string => join(run, "report.html"),
};

/**
 * The folder of a new run, or that of `run.resume`, or with "auto" that of the name, new or not; nothing is made or changed yet. A launcher that starts a run again does so with the
 * same settings: then the folder of its name is that of the run.
 */
export function locateRun(
  { run, ...config }: Config,
  { isRestarted }: { isRestarted: boolean },
): { folder: string; isResumed: boolean } {
  if (run.resume !== undefined && run.resume !== "auto") {
    if (existsSync(runFiles.config(run.resume))) return { folder: run.resume, isResumed: true };
    throw new Error(`--resume ${run.resume}: there is no run in it (no config.yaml)`);
  }
  const folder = join(run.logs, run.name ?? defaultName(config));
  if (!existsSync(runFiles.config(folder))) return { folder, isResumed: false };
  if (isRestarted || run.resume === "auto") return { folder, isResumed: true };
  throw new ConfigError([
    `${folder} holds a run already: choose another --name, or go on with it by --resume ${folder}`,
  ]);
}

/** Writes down what the run is and what it was made with. */
export function describeRun(folder: string, config: Config): void {
  mkdirSync(folder, { recursive: true });
  saveConfig(config, runFiles.config(folder));
  const { version: torch, ...engine } = engineInfo();
  writeWhole(
    runFiles.environment(folder),
    `${JSON.stringify({ ...describeEnvironment(), torch, ...engine }, null, 2)}\n`,
  );
}

/** "2026-01-31T12-30-05-ViT-B-32-fastclip-v3": sorts by time and says what it is. */
export function defaultName({ model, loss }: Pick<Config, "model" | "loss">): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `${time}-${basename(model.name, ".json")}-${loss.kind}`;
}
