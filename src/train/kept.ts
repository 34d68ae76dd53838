// Which checkpoints of a run stay: the last ones, those of every Nth epoch, and the best by a figure of its evaluation.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EvalResult } from "../telemetry/metrics.ts";
import { listCheckpoints, readState } from "./checkpoint.ts";
import type { Config } from "./config/types.ts";
import { writeWhole } from "./durable.ts";
import { readJson } from "./json.ts";

const evaluationFile = "evaluation.json";

type Keeping = Pick<Config["run"], "keepLast" | "keepBest" | "saveFrequency">;

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

/** Removes the checkpoints that are not to be kept. */
export function pruneCheckpoints(run: string, keeping: Keeping): void {
  const all = listCheckpoints(run);
  const best = keeping.keepBest === undefined ? undefined : bestOf(all, keeping.keepBest);
  for (const checkpoint of all.slice(0, -keeping.keepLast))
    if (checkpoint !== best && !isOfNthEpoch(checkpoint, keeping)) rmSync(checkpoint, { recursive: true });
}

function isOfNthEpoch(checkpoint: string, { saveFrequency: every }: Keeping): boolean {
  const { epoch, stepOfEpoch } = readState(checkpoint);
  return every > 0 && stepOfEpoch === 0 && epoch % every === 0;
}

/** The one with the highest figure of that name, of several the newest; undefined while none was evaluated. */
function bestOf(checkpoints: readonly string[], metric: string): string | undefined {
  const rated = checkpoints.flatMap((checkpoint) => {
    const value = figureOf(checkpoint, metric);
    return value === undefined ? [] : [{ checkpoint, value }];
  });
  return rated.sort((a, b) => a.value - b.value).at(-1)?.checkpoint;
}

/** Undefined where it was not evaluated, or where its evaluation is damaged. */
function figureOf(checkpoint: string, metric: string): number | undefined {
  const path = join(checkpoint, evaluationFile);
  const results = existsSync(path) ? readJson(path) : undefined;
  const found = Array.isArray(results) ? results.find((result) => result?.metric === metric)?.value : undefined;
  return typeof found === "number" ? found : undefined;
}
