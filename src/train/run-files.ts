// The files of a run and of its checkpoints, by name. No engine is loaded for them.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "./json.ts";

/** Paths in a run's folder. */
export const runFiles = {
  config: (run: string): string => join(run, "config.yaml"),
  environment: (run: string): string => join(run, "environment.json"),
  metrics: (run: string): string => join(run, "metrics.jsonl"),
  profile: (run: string): string => join(run, "profile.json"),
  quarantine: (run: string): string => join(run, "quarantine.jsonl"),
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
  /** How many shared the batches; unknown of an older version's. */
  readonly processes?: number | undefined;
}

const count = z.int().min(0);
const stateSchema: z.ZodType<CheckpointState> = z.object({
  step: count,
  epoch: count,
  stepOfEpoch: count,
  dataset: z.object({ size: count, fingerprint: z.string() }),
  processes: z.int().min(1).optional(),
});

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

/** Reads state.json of a checkpoint. Throws where it does not hold what `saveCheckpoint` writes. */
export function readState(checkpoint: string): CheckpointState {
  const path = join(checkpoint, stateFile);
  const { success, data, error } = stateSchema.safeParse(readJson(path));
  if (success) return data;
  const field = error.issues[0]!.path.join(".");
  throw new Error(`${path} is damaged: ${field === "" ? "it is no JSON object" : `it has no valid ${field}`}`);
}
