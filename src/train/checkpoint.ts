// A checkpoint: the model as OpenCLIP loads it, and all else that a run needs to go on as if it had never stopped.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadWeights, type PreprocessConfig, saveModel } from "../models/index.ts";
import { type NamedTensors, readSafetensors, rngState, scope, setRngState, type Tensor, writeSafetensors } from "../tensor/index.ts";
import { writeFolder } from "./durable.ts";
import type { Trainer } from "./step.ts";

/** What stands in state.json. */
export interface CheckpointState {
  /** Finished steps of the whole run. */
  readonly step: number;
  /** The position of the next step. */
  readonly epoch: number;
  readonly stepOfEpoch: number;
  /** Ties the estimators u to the data set they were made on. */
  readonly dataset: { readonly size: number; readonly fingerprint: string };
}

const stateFile = "state.json";
const trainingFile = "training.safetensors";
const folderName = /^step-(\d{9})$/;

/** The folder of a run's checkpoints. */
export function checkpointsOf(run: string): string {
  return join(run, "checkpoints");
}

/** Writes a checkpoint into RUN/checkpoints/step-N and returns its path. It is whole when it has that name. */
export function saveCheckpoint(run: string, options: { trainer: Trainer; state: CheckpointState; preprocess: PreprocessConfig }): string {
  const { trainer, state, preprocess } = options;
  const folder = join(checkpointsOf(run), `step-${String(state.step).padStart(9, "0")}`);
  writeFolder(folder, (temporary) => {
    saveModel(temporary, trainer.model, { preprocess });
    scope(() => writeSafetensors(join(temporary, trainingFile), trainingTensors(trainer)));
    writeFileSync(join(temporary, stateFile), `${JSON.stringify(state, null, 2)}\n`);
  });
  return folder;
}

function trainingTensors({ optimizer, method }: Trainer): NamedTensors {
  return new Map([
    ...prefixed("optimizer/", optimizer.state()),
    ...prefixed("loss/", method.estimator?.state() ?? new Map()),
    ["rng", rngState()],
  ]);
}

/** Paths of a run's whole checkpoints, oldest first. */
export function listCheckpoints(run: string): string[] {
  const folder = checkpointsOf(run);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => folderName.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** Reads state.json of a checkpoint. */
export function readState(checkpoint: string): CheckpointState {
  return JSON.parse(readFileSync(join(checkpoint, stateFile), "utf8")) as CheckpointState;
}

/** Puts weights, moments, estimators and random state back. Refuses a checkpoint that was made on another data set. */
export function loadCheckpoint(checkpoint: string, options: { trainer: Trainer; dataset: CheckpointState["dataset"] }): CheckpointState {
  const { trainer, dataset } = options;
  const state = readState(checkpoint);
  if (state.dataset.fingerprint !== dataset.fingerprint)
    throw new Error(
      `${checkpoint} was made on another data set (${state.dataset.size} pairs, fingerprint ${state.dataset.fingerprint.slice(0, 12)}); ` +
        `this one has ${dataset.size} pairs, fingerprint ${dataset.fingerprint.slice(0, 12)}`,
    );
  loadWeights(trainer.model, checkpoint);
  scope(() => {
    const { tensors } = readSafetensors(join(checkpoint, trainingFile));
    trainer.optimizer.load(without("optimizer/", tensors));
    trainer.method.estimator?.load(without("loss/", tensors));
    const rng = tensors.get("rng");
    if (rng === undefined) throw new Error(`${join(checkpoint, trainingFile)} holds no random state`);
    setRngState(rng.clone());
  });
  return state;
}

/** Removes checkpoints that are not to be kept; the newest always stays. */
export function pruneCheckpoints(run: string, keep: (state: CheckpointState) => boolean): void {
  for (const checkpoint of listCheckpoints(run).slice(0, -1))
    if (!keep(readState(checkpoint))) rmSync(checkpoint, { recursive: true });
}

function prefixed(prefix: string, tensors: NamedTensors): [string, Tensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}

function without(prefix: string, tensors: NamedTensors): NamedTensors {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
