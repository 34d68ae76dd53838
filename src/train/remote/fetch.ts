// A run that goes on takes from its copy what its own folder lacks: the newest whole checkpoint, and the figures up to it.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { StorageError } from "../../data/storage/index.ts";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/types.ts";
import { nameFolder } from "../durable.ts";
import { locateRun } from "../folder.ts";
import { evaluationFile } from "../kept.ts";
import { checkpointsOf, listCheckpoints, runFiles } from "../run-files.ts";
import { findDamage, sealFile } from "../seal.ts";
import { RemoteRun, remoteRoot } from "./remote-run.ts";

export interface FetchOptions {
  /** A launcher starts the run again, which is as if it were told to go on. */
  readonly isRestarted: boolean;
  /** Told before what takes time. */
  readonly onProgress: (sentence: string) => void;
}

/**
 * Brings what a run's folder lacks from its copy, and returns what a reader of the log must know. Refuses a new run whose name has a
 * copy already. Nothing happens without `remoteSync`.
 */
export async function fetchRun(config: Config, options: FetchOptions): Promise<string[]> {
  const { run } = config;
  if (run.remoteSync === undefined) return [];
  const isNew = run.resume === undefined && !options.isRestarted;
  const { folder } = locateRun(config, options);
  const remote = new RemoteRun(remoteRoot(run.remoteSync, folder));
  if (!isNew) return fetchNewest(folder, { remote, ...options });
  if (await remote.exists())
    throw new ConfigError([
      `${remote.root} holds a run already: choose another --name, or go on with it by --resume auto`,
    ]);
  return [];
}

async function fetchNewest(
  folder: string,
  { remote, onProgress }: { remote: RemoteRun; onProgress: FetchOptions["onProgress"] },
): Promise<string[]> {
  const there = await remote.checkpoints();
  const here = listCheckpoints(folder).map((path) => basename(path));
  const messages: string[] = [];
  const names = [...new Set([...there.keys(), ...here])].sort().reverse();
  for (const name of names) {
    const target = join(checkpointsOf(folder), name);
    if (existsSync(target) && findDamage(target) === undefined) return messages;
    const files = there.get(name);
    if (!files?.has(sealFile)) continue; // not copied to its end
    onProgress(`fetching ${name} from ${remote.root}`);
    const damage = await fetchCheckpoint(name, { remote, target, hasEvaluation: files.has(evaluationFile) });
    if (damage === undefined) {
      await fetchFigures(folder, { remote, isNewest: here.every((other) => other < name) });
      const why = here.includes(name) ? "is damaged here and was" : "was";
      return [...messages, `${name} ${why} fetched from ${remote.root}`];
    }
    messages.push(`${remote.root}/checkpoints/${name}: ${damage}; the checkpoint before it is taken`);
  }
  // Without any here, the run is not to begin anew as if there had been none.
  if (messages.length > 0 && here.length === 0)
    throw new Error(`${messages.at(-1)!.replace(/; the checkpoint.*/, "")}, and there is no other`);
  return messages;
}

interface FetchedCheckpoint {
  readonly remote: RemoteRun;
  readonly target: string;
  readonly hasEvaluation: boolean;
}

/** Fetches a checkpoint, which has its name when it is whole. Returns what is wrong with it otherwise. */
async function fetchCheckpoint(
  name: string,
  { remote, target, hasEvaluation }: FetchedCheckpoint,
): Promise<string | undefined> {
  const temporary = `${target}.partial-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    const seal = (await remote.text(`checkpoints/${name}/${sealFile}`)) ?? "";
    writeFileSync(join(temporary, sealFile), seal);
    for (const file of [...sealedFiles(seal), ...(hasEvaluation ? [evaluationFile] : [])])
      await remote.fetch(`checkpoints/${name}/${file}`, join(temporary, file));
    const damage = findDamage(temporary);
    if (damage === undefined) nameFolder(temporary, target);
    return damage;
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return `${basename(error.location)} is missing`;
    if (error instanceof StorageError) throw error;
    throw new Error(`${name} cannot be fetched from ${remote.root}: ${(error as Error).message}`, { cause: error });
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** None where the seal itself is damaged, which is then found to be so. A name is never a path. */
function sealedFiles(seal: string): string[] {
  try {
    return Object.keys(JSON.parse(seal) as object).filter((file) => basename(file) === file);
  } catch {
    return [];
  }
}

/** Settings to compare with, and the figures and the list of bad samples that the run goes on writing. */
async function fetchFigures(
  folder: string,
  { remote, isNewest }: { remote: RemoteRun; isNewest: boolean },
): Promise<void> {
  for (const path of [runFiles.config, runFiles.metrics, runFiles.quarantine]) {
    if (!isNewest && existsSync(path(folder))) continue;
    const text = await remote.text(path(""));
    if (text !== undefined) writeFileSync(path(folder), text);
  }
}
