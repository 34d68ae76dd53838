// Evaluates a saved model on its own: what `fastclip eval` does.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Evaluation } from "../eval/index.ts";
import { createModel, loadWeights } from "../models/index.ts";
import { averagedWeights, listCheckpoints } from "./checkpoint.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";
import { openConfigured } from "./data.ts";
import { evaluateConfigured } from "./evaluation.ts";
import { runFiles } from "./folder.ts";

export interface EvaluateOptions {
  /** These win over the run's settings. */
  readonly flags: FlagValues;
  /** Take the average of the weights, where the checkpoint has one, as the run's own evaluation does. */
  readonly averaged: boolean;
}

/** `path` is a run's folder, whose newest checkpoint is taken, or one of its checkpoints. */
export async function evaluateCheckpoint(path: string, { flags, averaged }: EvaluateOptions): Promise<Evaluation> {
  const { run, checkpoint } = locate(path);
  const config = loadConfig({ file: runFiles.config(run), flags });
  if (config.data.val === undefined) throw new Error("there is nothing to evaluate on: name the shards by --val-data");
  const model = createModel(config.model.name);
  loadWeights(model, (averaged ? averagedWeights(checkpoint) : undefined) ?? checkpoint);
  const onFault = ({ message }: { message: string }): void => console.error(message);
  const dataset = await openConfigured(config.data.val, { config, onFault });
  try {
    return await evaluateConfigured({ config, model, dataset, gallery: 0, onFault });
  } finally {
    dataset.close();
    model.free();
  }
}

function locate(path: string): { run: string; checkpoint: string } {
  if (existsSync(runFiles.config(path))) {
    const checkpoint = listCheckpoints(path).at(-1);
    if (checkpoint === undefined) throw new Error(`${path}: the run has no whole checkpoint yet`);
    return { run: path, checkpoint };
  }
  const run = dirname(dirname(resolve(path)));
  if (existsSync(runFiles.config(run))) return { run, checkpoint: path };
  throw new Error(`${path} is neither the folder of a run nor one of its checkpoints`);
}
