// How the cores of a machine are shared by arithmetic and data.
import { availableParallelism } from "node:os";
import type { Config } from "./config/types.ts";

export interface Cores {
  /** Of the machine, or of what this process may use of it. */
  readonly cores?: number;
  /** Processes of the run on this machine, which share its cores evenly; 1 if absent. */
  readonly localSize?: number | undefined;
}

/**
 * Threads for the arithmetic of one process. "auto" leaves a core to each loader thread: operators share their work among threads that
 * wait for each other, and one that has to share its core holds all others up (bench/threads measures it).
 */
export function computeThreads(
  { run, data }: { run: Pick<Config["run"], "threads">; data: Pick<Config["data"], "workers"> },
  { cores = availableParallelism(), localSize = 1 }: Cores = {},
): number {
  if (run.threads !== "auto") return run.threads;
  return Math.max(1, Math.floor(cores / localSize) - data.workers);
}
