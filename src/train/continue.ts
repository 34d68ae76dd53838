// How a run goes on: from its newest checkpoint that is whole, with settings that may have changed since, and some that must not.
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { type Difference, findDifferences, show } from "../distributed/differences.ts";
import { resolveBatch } from "./batch.ts";
import { checkDataset } from "./checkpoint.ts";
import { ConfigError } from "./config/errors.ts";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/types.ts";
import { type CheckpointState, listCheckpoints, readState, runFiles } from "./run-files.ts";
import { findDamage } from "./seal.ts";

export interface Continued {
  /** Undefined when the run has none yet: it begins anew. */
  readonly checkpoint: string | undefined;
  /** What a reader of the log must know. */
  readonly messages: readonly string[];
}

/** Finds where a run goes on. Throws where its data or its settings do not let it. Nothing is changed yet. */
export function continueRun(
  folder: string,
  { config, data, processes }: { config: Config; data: CheckpointState["dataset"]; processes: number },
): Continued {
  const { checkpoint, messages } = newestWhole(folder);
  if (checkpoint !== undefined) checkDataset(checkpoint, data);
  const before = checkpoint === undefined ? undefined : readState(checkpoint).processes;
  const shared = findDifferences({ processes: before ?? processes }, { processes }).map(words);
  return { checkpoint, messages: [...messages, ...compareSettings(folder, { config, shared })] };
}

function newestWhole(folder: string): Continued {
  const messages: string[] = [];
  const all = listCheckpoints(folder);
  for (const checkpoint of all.reverse()) {
    const damage = findDamage(checkpoint);
    if (damage === undefined) return { checkpoint, messages };
    messages.push(`${checkpoint}: ${damage}; the checkpoint before it is taken`);
  }
  if (messages.length > 0)
    throw new Error(`${messages.at(-1)!.replace(/; the checkpoint.*/, "")}, and there is no other`);
  return { checkpoint: undefined, messages };
}

/** Throws for what must stay as it was; returns what has changed in words. */
function compareSettings(folder: string, { config, shared }: { config: Config; shared: readonly string[] }): string[] {
  if (!existsSync(runFiles.config(folder))) return [];
  const before = loadConfig({ file: runFiles.config(folder), flags: {} });
  const broken = findDifferences(fixed(before), fixed(config));
  if (broken.length > 0)
    throw new ConfigError(broken.map((one) => `${basename(folder)} cannot go on with another ${words(one)}`));
  const changed = [...shared, ...findDifferences(free(before), free(config)).map(words)];
  return changed.length === 0
    ? []
    : [`changed since the run was stopped: ${changed.join("; ")}${effect(before, config)}`];
}

const words = ({ path, expected, actual }: Difference): string =>
  `${path}: ${show(actual)} now, ${show(expected)} before`;

/** What the weights, the estimators and the order of the data depend on. */
function fixed(config: Config): unknown {
  const { precision, gradCheckpointing, ...model } = config.model;
  const { shuffle, shuffleWindow, upsampling, captionKey } = config.data;
  return {
    model,
    loss: { kind: config.loss.kind },
    data: { shuffle, ...(shuffle === "global" ? {} : { shuffleWindow }), upsampling, captionKey },
    run: { seed: config.run.seed, batch: resolveBatch(config).batchSize },
  };
}

/** What may change: all else but where the run is. */
function free({ run, ...others }: Config): unknown {
  const { name, resume, logs, remoteSync, seed, batchSize, accumFreq, ...rest } = run;
  return { ...others, run: rest };
}

function effect(before: Config, now: Config): string {
  const same = findDifferences([before.run.epochs, before.optim], [now.run.epochs, now.optim]).length === 0;
  return same ? "" : "; the learning rate follows the new schedule from here on";
}
