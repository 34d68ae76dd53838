// Our own torchrun: starts, watches and ends the processes of a run.
import { availableParallelism } from "node:os";
import { Crew } from "./crew.ts";
import type { Outcome } from "./ending.ts";
import { follow } from "./follow.ts";
import { lead } from "./lead.ts";
import { defaultTiming, type LaunchOptions } from "./options.ts";
import { say } from "./say.ts";
import { Interrupted, Signals } from "./signals.ts";

/**
 * Starts the processes of this machine, and with the launchers of the other machines sees to it that all run or none. Returns the exit
 * status when the last has ended: that of the first failure, or 75 when the run was asked to stop and can be resumed.
 */
export async function launch(options: LaunchOptions): Promise<number> {
  const { command, processes, cluster } = options;
  const { beatMs, ...patience } = { ...defaultTiming, ...options.timing };
  const crew = new Crew({ node: cluster?.node ?? 0, command, variables: divideCores(processes), ...patience });
  const signals = new Signals(crew);
  try {
    const isHead = cluster === undefined || cluster.node === 0;
    const { status, lines }: Outcome = isHead
      ? await lead({ ...options, beatMs, crew, signals })
      : await follow({ cluster, processes, beatMs, crew, signals });
    for (const line of lines) say(line);
    return status;
  } catch (error) {
    if (error instanceof Interrupted) return error.status;
    throw error;
  } finally {
    await crew.end();
    signals.close();
  }
}

/** Libraries that count the cores of a machine would take them all in each process. */
function divideCores(processes: number): Record<string, string> {
  if (process.env["OMP_NUM_THREADS"] !== undefined || processes === 1) return {};
  const cores = availableParallelism();
  const threads = String(Math.max(1, Math.floor(cores / processes)));
  say(`${processes} processes on ${cores} cores: OMP_NUM_THREADS=${threads} for each`);
  return { OMP_NUM_THREADS: threads };
}
