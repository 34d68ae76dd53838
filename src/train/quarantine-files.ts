// The files of what a run has left out: quarantine.jsonl, and one of each other process until rank 0 has taken it in.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FaultCounts } from "../data/faults.ts";
import type { BadCount } from "../data/quarantine.ts";
import { writeWhole } from "./durable.ts";
import type { LeftOut } from "./quarantine-list.ts";
import { runFiles } from "./run-files.ts";

const ofOtherRank = /^quarantine-rank\d+\.jsonl$/;

/** Every process has a file of its own, so that what it has met is on the disk at once. */
export function quarantinePath(run: string, rank = 0): string {
  return rank === 0 ? runFiles.quarantine(run) : join(run, `quarantine-rank${rank}.jsonl`);
}

/** Equal for two lines about the same sample; samples of evaluation have no position to be known by. */
export function identityOf({ data, id, shard, key, cause }: Partial<LeftOut>): string {
  return id === undefined ? JSON.stringify([data, shard, key, cause]) : `${data} ${id}`;
}

/** What a file lists; nothing where there is none. A line that a killed process has cut off is left out. */
export function readQuarantine(path: string): LeftOut[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as LeftOut);
}

/** Replaces the file; there is none where nothing was left out. */
export function writeQuarantine(path: string, entries: readonly LeftOut[]): void {
  if (entries.length === 0) rmSync(path, { force: true });
  else writeWhole(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
}

/** Takes the files of other processes in this folder into quarantine.jsonl, each sample once. To be called when none of them writes. */
export function gatherQuarantine(run: string): LeftOut[] {
  const others = readdirSync(run).filter((name) => ofOtherRank.test(name));
  const known = new Set<string>();
  const entries = [quarantinePath(run), ...others.map((name) => join(run, name))]
    .flatMap(readQuarantine)
    .filter((entry) => {
      const identity = identityOf(entry);
      // Shards of one name in two folders may have the same fault.
      const isNew = entry.step === undefined || !known.has(identity);
      known.add(identity);
      return isNew;
    });
  writeQuarantine(quarantinePath(run), entries);
  for (const name of others) rmSync(join(run, name));
  return entries;
}

/** Removes what an attempt has left that is not gone on with. */
export function dropQuarantine(run: string): void {
  for (const name of readdirSync(run)) if (ofOtherRank.test(name)) rmSync(join(run, name));
  rmSync(quarantinePath(run), { force: true });
}

/** A sample of the training data that was left out of a batch of this step, of which the first is 1. */
export interface KnownBad extends BadCount {
  readonly step: number;
}

export function knownBad(entries: readonly LeftOut[]): KnownBad[] {
  return entries.flatMap(({ data, id, cause, step }) =>
    data === "train" && id !== undefined && step !== undefined ? [{ id, cause, step }] : [],
  );
}

/** How many were left out, by data and cause; causes that did not occur are absent. */
export type LeftOutCounts = Readonly<Record<LeftOut["data"], FaultCounts>>;

export function countLeftOut(entries: readonly LeftOut[]): LeftOutCounts {
  const counts: Record<LeftOut["data"], FaultCounts> = { train: {}, val: {} };
  for (const { data, cause } of entries) counts[data][cause] = (counts[data][cause] ?? 0) + 1;
  return counts;
}

const dataNames = { train: "training", val: "validation" } as const;

/** A line for each data set that something was left out of. */
export function describeLeftOut(counts: LeftOutCounts): string[] {
  return (["train", "val"] as const).flatMap((data) => {
    const causes = Object.entries(counts[data]).map(([cause, count]) => `${count} ${cause}`);
    if (causes.length === 0) return [];
    return [`left out of the ${dataNames[data]} data: ${causes.join(", ")}; quarantine.jsonl names each`];
  });
}
