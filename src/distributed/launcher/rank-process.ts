// One process that the launcher has started.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Ending } from "./ending.ts";
import { forwardLines } from "./lines.ts";

export interface RankProcess {
  readonly rank: number;
  readonly isRunning: () => boolean;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Comes after its last line of output. */
  readonly ended: Promise<Ending>;
}

export interface RankProcessOptions {
  readonly rank: number;
  /** Arguments of Node: the script's path and what follows it. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Before each line of output; a process without it shares the launcher's terminal. */
  readonly prefix: string | undefined;
}

/** For output that is still on its way when a process has ended. */
const drainMs = 2000;

/** Starts the process in a group of its own, so that a terminal's Ctrl-C reaches the launcher alone. */
export function startRank({ rank, command, env, prefix }: RankProcessOptions): RankProcess {
  const output = prefix === undefined ? "inherit" : "pipe";
  const child = spawn(process.execPath, command, { env, detached: true, stdio: ["ignore", output, output] });
  const drained = Promise.all([
    forwarded(child.stdout, process.stdout, prefix),
    forwarded(child.stderr, process.stderr, prefix),
  ]);
  let isRunning = true;
  const ended = endOf(child).then(async (ending) => {
    isRunning = false;
    await Promise.race([drained, delay(drainMs, undefined, { ref: false })]);
    return ending;
  });
  return { rank, isRunning: () => isRunning, kill: (signal) => void (isRunning && kill(child, signal)), ended };
}

async function forwarded(from: Readable | null, to: NodeJS.WriteStream, prefix = ""): Promise<void> {
  // A process that could not be started has no output.
  if (!from) return;
  forwardLines(from, to, prefix);
  await once(from, "close");
}

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once("error", ({ message }) => {
      if (child.pid === undefined) resolve({ kind: "not started", reason: message });
    });
    child.once("exit", (status, signal) => {
      // What it may have started itself.
      kill(child, "SIGKILL");
      resolve(signal === null ? { kind: "exited", status: status! } : { kind: "killed", signal });
    });
  });
}

/** Asks the process; but kills all of its group. */
function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(signal === "SIGKILL" ? -pid : pid, signal);
  } catch (error) {
    // It has ended just now.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
