// Node 0: it serves the store, and decides when all machines start, stop and start again.
import { randomUUID } from "node:crypto";
import { c10d } from "../../tensor/index.ts";
import { declareOver } from "../meeting.ts";
import type { Attempt } from "./attempt.ts";
import type { Crew } from "./crew.ts";
import { canRestart, type Failure, type Outcome, outcomeOf, type Report } from "./ending.ts";
import { Gathering } from "./gathering.ts";
import type { Machine } from "./machine.ts";
import type { LaunchOptions } from "./options.ts";
import type { Remote } from "./remote.ts";
import { say } from "./say.ts";
import { type Signals, unlessAborted } from "./signals.ts";

export interface LeadOptions extends Pick<LaunchOptions, "processes" | "cluster" | "maxRestarts" | "name"> {
  readonly beatMs: number;
  readonly crew: Crew;
  readonly signals: Signals;
}

/** For the store to answer, which this process serves itself. */
const storeMs = 60_000;

/** The launcher of a single machine, or of the first one. */
export async function lead(options: LeadOptions): Promise<Outcome> {
  const { cluster, beatMs, signals } = options;
  const gathering = cluster && (await Gathering.open({ ...cluster, beatMs }));
  const store = c10d.Store.open({ host: "127.0.0.1", port: 0, serve: true, timeoutMs: storeMs, prefix: "launcher" });
  try {
    const remotes = gathering ? await unlessAborted(gathering.all(), signals.interruption) : [];
    const outcome = await unlessAborted(runAll(options, remotes, store.port), signals.interruption);
    await Promise.all(remotes.map((remote) => remote.finish(outcome)));
    return outcome;
  } finally {
    await gathering?.close();
    // The processes of all machines have ended; until then they can read from it why the run has.
    store.close();
  }
}

/** Until all processes have ended well, or nothing can be gained by starting them again. */
async function runAll(options: LeadOptions, remotes: readonly Remote[], port: number): Promise<Outcome> {
  const { crew, cluster, maxRestarts, name, processes, signals } = options;
  const host = cluster?.host ?? "127.0.0.1";
  const sizes = [processes, ...remotes.map((remote) => remote.processes)];
  const runId = randomUUID();
  for (let number = 0; ; number++) {
    signals.throwIfReceived();
    const attempt: Attempt = { number, maxRestarts, runId, host, port, sizes, name };
    const { failures, reports } = await runOnce([crew, ...remotes], attempt);
    const outcome = outcomeOf(failures, reports);
    if (number === maxRestarts || !canRestart(failures, reports)) return outcome;
    for (const line of outcome.lines) say(line);
    say(`all processes start again (restart ${number + 1} of ${maxRestarts})`);
  }
}

/** All machines' processes from their start to their end. */
async function runOnce(
  machines: readonly Machine[],
  attempt: Attempt,
): Promise<{ failures: readonly Failure[]; reports: readonly Report[] }> {
  const failures: Failure[] = [];
  const onFailure = (failure: Failure): void => {
    failures.push(failure);
    for (const machine of machines) machine.stop(failure);
    declareOver({ host: "127.0.0.1", port: attempt.port, attempt: attempt.number }, failure.sentence);
  };
  const reports = await Promise.all(machines.map((machine) => machine.run(attempt, onFailure)));
  return { failures, reports };
}
