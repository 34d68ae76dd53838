// Evaluates a saved model on its own: what `fastclip eval` does.
import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import { agree } from "../distributed/agree.ts";
import { together } from "../distributed/gather.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { Evaluation } from "../eval/index.ts";
import { type CLIP, createModel, loadWeights } from "../models/index.ts";
import { averagedWeights } from "./checkpoint.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/types.ts";
import { openConfigured } from "./data.ts";
import { evaluateConfigured } from "./evaluation.ts";
import { listCheckpoints, runFiles } from "./run-files.ts";

export interface EvaluateOptions {
  /** These win over the run's settings. */
  readonly flags: FlagValues;
  /** Take the average of the weights, where the checkpoint has one, as the run's own evaluation does. */
  readonly averaged: boolean;
  /** The processes that share the work; each reads the checkpoint and the data for itself. */
  readonly group: ProcessGroup;
}

/** `path` is a run's folder, whose newest checkpoint is taken, or one of its checkpoints. All processes get the figures. */
export async function evaluateCheckpoint(path: string, options: EvaluateOptions): Promise<Evaluation> {
  const { group } = options;
  const onFault = ({ message }: Fault): void => {
    if (group.rank === 0) console.error(message);
  };
  group.phase = "evaluation: start";
  const opened = await together(group, { name: "start", part: () => open(path, { ...options, onFault }), undo: close });
  const { config, checkpoint, model, dataset } = opened;
  try {
    agree(group, { checkpoint: basename(checkpoint), config, data: dataset.fingerprint });
    return await evaluateConfigured({ config, model, dataset, gallery: 0, onFault, group });
  } finally {
    close(opened);
  }
}

interface Opened {
  readonly config: Config;
  readonly checkpoint: string;
  readonly model: CLIP;
  readonly dataset: Dataset;
}

async function open(
  path: string,
  { flags, averaged, onFault }: EvaluateOptions & { onFault: (fault: Fault) => void },
): Promise<Opened> {
  const { run, checkpoint } = locate(path);
  const config = loadConfig({ file: runFiles.config(run), flags });
  if (config.data.val === undefined) throw new Error("there is nothing to evaluate on: name the shards by --val-data");
  const model = createModel(config.model.name);
  loadWeights(model, (averaged ? averagedWeights(checkpoint) : undefined) ?? checkpoint);
  const dataset = await openConfigured(config.data.val, { config, onFault, onMessage: console.error });
  return { config, checkpoint, model, dataset };
}

function close({ model, dataset }: Opened): void {
  dataset.close();
  model.free();
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
