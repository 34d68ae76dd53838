// A checkpoint: the model as OpenCLIP loads it, and all else that a run needs to go on as if it had never stopped.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadWeights, type PreprocessConfig, saveModel } from "../models/index.ts";
import type { Ema } from "../optim/ema.ts";
import { type NamedTensors, readSafetensors, scope, writeSafetensors } from "../tensor/index.ts";
import { copySparse, writeFolder } from "./durable.ts";
import { type CheckpointState, checkpointsOf, listCheckpoints, readState, stateFile } from "./run-files.ts";
import { seal } from "./seal.ts";
import type { Trainer } from "./step.ts";

const trainingFile = "training.safetensors";
const emaFile = "ema.safetensors";
const pairsFile = "pairs.f32";
/** What of a run lies in memory and changes. */
export interface Training {
  readonly trainer: Trainer;
  readonly ema: Ema | undefined;
}

export interface SaveOptions extends Training {
  readonly state: CheckpointState;
  readonly preprocess: PreprocessConfig;
  /** The file of the run's pairs, which is there where the loss keeps something of them. */
  readonly pairs: string;
}

/** What a checkpoint holds of the run's pairs: a copy of the file as it was at its step, or nothing. */
export function savedPairs(checkpoint: string): string {
  return join(checkpoint, pairsFile);
}

/**
 * Writes a checkpoint into RUN/checkpoints/step-N and returns its path. It is whole when it has that name; when it fails, nothing has
 * changed. No step may be taken meanwhile.
 */
export async function saveCheckpoint(run: string, options: SaveOptions): Promise<string> {
  const { step } = options.state;
  if (!existsSync(run)) throw new Error(`step ${step} cannot be saved: the run's folder ${run} is gone`);
  const folder = join(checkpointsOf(run), `step-${String(step).padStart(9, "0")}`);
  try {
    await writeFolder(folder, (temporary) => fill(temporary, options));
  } catch (error) {
    const last = listCheckpoints(run).at(-1);
    const rest = last === undefined ? "there is no checkpoint yet" : `the last checkpoint is ${last}`;
    throw new Error(`step ${step} cannot be saved: ${(error as Error).message}; ${rest}`, { cause: error });
  }
  return folder;
}

async function fill(folder: string, { trainer, ema, state, preprocess, pairs }: SaveOptions): Promise<void> {
  const hashes = await saveModel(folder, trainer.model, { preprocess });
  hashes[trainingFile] = await writeSafetensors(join(folder, trainingFile), trainingTensors(trainer));
  // A whole state dict, so that it can be loaded as weights of its own.
  if (ema !== undefined) {
    const averaged = new Map([...trainer.model.stateDict(), ...ema.state()]);
    hashes[emaFile] = await writeSafetensors(join(folder, emaFile), averaged);
  }
  if (existsSync(pairs)) hashes[pairsFile] = copyPairs(pairs, savedPairs(folder));
  writeFileSync(join(folder, stateFile), `${JSON.stringify(state, null, 2)}\n`);
  seal(folder, hashes);
}

/** Returns the SHA-256 in hexadecimal. */
function copyPairs(from: string, to: string): string {
  const hash = createHash("sha256");
  copySparse(from, to, (bytes) => hash.update(bytes));
  return hash.digest("hex");
}

function trainingTensors({ optimizer }: Trainer): NamedTensors {
  return new Map([...optimizer.state()].map(([name, tensor]) => [`optimizer/${name}`, tensor]));
}

/** Refuses a checkpoint that was made on another data set: what is kept of its pairs would be taken for that of others. */
export function checkDataset(checkpoint: string, dataset: CheckpointState["dataset"]): void {
  const saved = readState(checkpoint).dataset;
  if (saved.fingerprint === dataset.fingerprint) return;
  const named = ({ size, fingerprint }: CheckpointState["dataset"]): string =>
    `${size} pairs, fingerprint ${fingerprint.slice(0, 12)}`;
  throw new Error(`${checkpoint} was made on another data set (${named(saved)}) than this one (${named(dataset)})`);
}

/** The file of the averaged weights in a checkpoint, if it has one. */
export function averagedWeights(checkpoint: string): string | undefined {
  const path = join(checkpoint, emaFile);
  return existsSync(path) ? path : undefined;
}

/**
 * Puts weights, their average and moments back; what is kept of pairs is `restorePairs`' part. Where the checkpoint has no average, it
 * starts at the weights. Returns where the run goes on.
 */
export function loadCheckpoint(checkpoint: string, { trainer, ema }: Training): CheckpointState {
  loadWeights(trainer.model, checkpoint);
  scope(() => {
    const { tensors } = readSafetensors(join(checkpoint, trainingFile));
    trainer.optimizer.load(without("optimizer/", tensors));
    const averaged = averagedWeights(checkpoint);
    ema?.load(averaged === undefined ? trainer.model.stateDict() : readSafetensors(averaged).tensors);
  });
  return readState(checkpoint);
}

/** Removes what a process that was killed while it saved has left half-made. Nobody else may be saving. */
export function sweepCheckpoints(run: string): void {
  const folder = checkpointsOf(run);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (name.includes(".partial-")) rmSync(join(folder, name), { recursive: true });
}

function without(prefix: string, tensors: NamedTensors): NamedTensors {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
