// The files of a run and of its checkpoints, by name. No engine is loaded for them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Paths in a run's folder. */
export const runFiles = {
  config: (run: string): string => join(run, "config.yaml"),
  environment: (run: string): string => join(run, "environment.json"),
  metrics: (run: string): string => join(run, "metrics.jsonl"),
  results: (run: string): string => join(run, "results.json"),
  report: (run: string): string => join(run, "report.html"),
};

/** What stands in state.json. */
export interface CheckpointState {
  /** Finished steps of the whole run. */
  readonly step: number;
  /** The position of the next step. */
  readonly epoch: number;
  readonly stepOfEpoch: number;
  /** Ties what is kept of every pair to the data set it was made on. */
  readonly dataset: { readonly size: number; readonly fingerprint: string };
}

export const stateFile = "state.json";
/** The name of a whole checkpoint, with its step. */
export const checkpointName: RegExp = /^step-(\d{9})$/;

/** The folder of a run's checkpoints. */
export function checkpointsOf(run: string): string {
  return join(run, "checkpoints");
}

/** Paths of a run's whole checkpoints, oldest first. */
export function listCheckpoints(run: string): string[] {
  const folder = checkpointsOf(run);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => checkpointName.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** Reads state.json of a checkpoint. */
export function readState(checkpoint: string): CheckpointState {
  return JSON.parse(readFileSync(join(checkpoint, stateFile), "utf8")) as CheckpointState;
}
