// Which checkpoints of a run stay: the last ones, those of every Nth epoch, and the best by a figure of its evaluation.
import { existsSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { EvalResult } from "../telemetry/metrics.ts";
import type { Config } from "./config/types.ts";
import { writeWhole } from "./durable.ts";
import { readJson } from "./json.ts";
import { type CheckpointState, listCheckpoints, readState } from "./run-files.ts";

export const evaluationFile = "evaluation.json";

export type Keeping = Pick<Config["run"], "keepLast" | "keepBest" | "saveFrequency">;

/** Writes beside a checkpoint what its evaluation found. */
export function addEvaluation(checkpoint: string, results: readonly EvalResult[]): void {
  writeWhole(join(checkpoint, evaluationFile), `${JSON.stringify(results, null, 2)}\n`);
}

/** What is wrong with the name of the figure by which the best checkpoint is kept; undefined where the evaluation has it. */
export function unknownMetric(metric: string | undefined, results: readonly EvalResult[]): string | undefined {
  const names = [...new Set(results.map((result) => result.metric))];
  if (metric === undefined || names.includes(metric)) return undefined;
  return `--keep-best ${metric}: the evaluation has no such figure, so no checkpoint is kept for it; it has ${names.join(", ")}`;
}

/** What the choice depends on. */
export interface Candidate {
  /** step-000000012: sorts by the step. */
  readonly name: string;
  readonly state: Pick<CheckpointState, "epoch" | "stepOfEpoch">;
  /** What its evaluation found, if there was one. */
  readonly results: readonly EvalResult[] | undefined;
}

/** Removes the checkpoints that are not to be kept, but those `except` that something else still needs. */
export function pruneCheckpoints(run: string, { except, ...keeping }: Keeping & { except: ReadonlySet<string> }): void {
  const all = listCheckpoints(run);
  const kept = chooseKept(all.map(candidateOf), keeping);
  for (const checkpoint of all) {
    const name = basename(checkpoint);
    if (!kept.has(name) && !except.has(name)) rmSync(checkpoint, { recursive: true });
  }
}

/** The names of those to be kept. */
export function chooseKept(candidates: readonly Candidate[], keeping: Keeping): Set<string> {
  const all = [...candidates].sort((a, b) => (a.name < b.name ? -1 : 1));
  const best = keeping.keepBest === undefined ? undefined : bestOf(all, keeping.keepBest);
  const last = new Set(all.slice(-keeping.keepLast));
  const kept = all.filter((one) => last.has(one) || one === best || isOfNthEpoch(one, keeping));
  return new Set(kept.map(({ name }) => name));
}

export function candidateOf(checkpoint: string): Candidate {
  return { name: basename(checkpoint), state: readState(checkpoint), results: readEvaluation(checkpoint) };
}

/** Undefined where it was not evaluated, or where its evaluation is damaged. */
function readEvaluation(checkpoint: string): readonly EvalResult[] | undefined {
  const path = join(checkpoint, evaluationFile);
  const results = existsSync(path) ? readJson(path) : undefined;
  const isSound = (one: Partial<EvalResult> | null): boolean =>
    typeof one?.metric === "string" && typeof one.value === "number";
  return Array.isArray(results) && results.every(isSound) ? (results as EvalResult[]) : undefined;
}

function isOfNthEpoch({ state }: Candidate, { saveFrequency: every }: Keeping): boolean {
  return every > 0 && state.stepOfEpoch === 0 && state.epoch % every === 0;
}

/** The one with the highest figure of that name, of several the newest; undefined while none was evaluated. */
function bestOf(candidates: readonly Candidate[], metric: string): Candidate | undefined {
  const rated = candidates.flatMap((candidate) => {
    const value = candidate.results?.find((result) => result.metric === metric)?.value;
    return value === undefined ? [] : [{ candidate, value }];
  });
  return rated.sort((a, b) => a.value - b.value).at(-1)?.candidate;
}
