import { existsSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FalseNegatives } from "../falseNegatives.ts";
import { clearAbandoned } from "./download.ts";
import type { ShardSettings, Split } from "./shards.ts";

/** What decides the bytes of the shards. */
export interface DemoSettings extends ShardSettings {
  /** Version of the building code: raised when it would make other shards from the same packages. */
  builder: number;
  sets: readonly string[];
  /** Exact version of each package. */
  packages: Record<string, string>;
}

/** dataset.json: written last, so a folder that has one is whole. */
export interface DemoRecord {
  kind: "fastclip-demo";
  settings: DemoSettings;
  train: Split;
  heldOutStyle: Split;
  classes: { count: number; heldOut: number };
  sets: {
    id: string;
    role: "train" | "heldOut";
    package: string;
    license: string;
    /** Pictures written. */
    samples: number;
    /** Pictures that show a concept; of a training set, those of held-out concepts are not written. */
    matched: number;
    ofHeldOutConcepts: number;
    concepts: number;
    skinTones: number;
    repeated: number;
    unmatched: number;
  }[];
  /** By batch size, over the training samples. */
  falseNegatives: Record<string, FalseNegatives>;
  seconds: { download: number; read: number; render: number; total: number };
}

export const recordName = "dataset.json";

/** The record of a whole data set in this folder with these settings, or undefined. */
export function findWhole(directory: string, settings: DemoSettings): DemoRecord | undefined {
  const record = readRecord(directory);
  if (record === undefined || JSON.stringify(record.settings) !== JSON.stringify(settings)) return undefined;
  const shards = [...record.train.shards, ...record.heldOutStyle.shards];
  const whole = shards.every(({ name, bytes }) => {
    const path = join(directory, name);
    return existsSync(path) && statSync(path).size === bytes;
  });
  return whole && existsSync(join(directory, "classes.json")) ? record : undefined;
}

/** Refuses a folder that is not a data set of this kind, so that a wrong path never costs the user anything. */
export async function refuseForeign(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} should be a folder, but is a file`);
  if (readRecord(directory) === undefined && (await readdir(directory)).length > 0) {
    throw new Error(`${directory} holds other files and no demonstration data; name a new or an empty folder`);
  }
}

/**
 * Lets `fill` write a folder beside `directory` and puts it there when it is whole. If `fill` fails, or the process is
 * killed, nothing changes in `directory`.
 */
export async function fillFolder<T>(directory: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const parent = dirname(directory);
  const prefix = `.${basename(directory)}.building-`;
  await mkdir(parent, { recursive: true });
  await clearAbandoned(parent, prefix);
  const temporary = await mkdtemp(join(parent, prefix));
  try {
    const result = await fill(temporary);
    // mkdtemp makes private folders; a data set is readable like any other.
    await chmod(temporary, 0o755);
    await moveIntoPlace(temporary, directory);
    return result;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Replaces an older data set, an empty folder or nothing; tries again if another build gets in between. */
async function moveIntoPlace(finished: string, directory: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const old = `${finished}-old`;
    try {
      if (existsSync(directory)) await rename(directory, old);
      await rename(finished, directory);
      return await rm(old, { recursive: true, force: true });
    } catch (error) {
      await rm(old, { recursive: true, force: true });
      if (attempt === 3) throw error;
    }
  }
}

function readRecord(directory: string): DemoRecord | undefined {
  const path = join(directory, recordName);
  if (!existsSync(path)) return undefined;
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as Partial<DemoRecord>;
    return record.kind === "fastclip-demo" ? (record as DemoRecord) : undefined;
  } catch {
    // Not JSON, so not ours.
    return undefined;
  }
}
