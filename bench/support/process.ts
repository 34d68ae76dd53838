// A program and all processes that it starts: when it says something, how long it runs, and how much memory it takes.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface Finished {
  readonly seconds: number;
  /** The most memory of all its processes together, as sampled; a page that several have is counted once (Linux: Pss). */
  readonly peakBytes: number;
}

const sampleMs = 250;
const quotedLines = 20;

/** Seconds from the start until a line of its output matches; then it is killed. Throws where it ends before. */
export async function secondsUntil(line: RegExp, command: Command): Promise<number> {
  const start = performance.now();
  const { child, lines } = launch(command);
  try {
    for await (const text of lines.read()) if (line.test(text)) return (performance.now() - start) / 1000;
    throw new Error(`${command.program} ended without a line like ${line}:\n${lines.last()}`);
  } finally {
    killGroup(child);
  }
}

/** Runs the command to its end. Throws where it fails. */
export async function runToEnd(command: Command): Promise<Finished> {
  const start = performance.now();
  const { child, lines } = launch(command);
  let peakBytes = 0;
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, bytesOfGroup(child.pid!));
  }, sampleMs);
  try {
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    for await (const _ of lines.read()); // its output is kept for the message
    const status = await ended;
    if (status !== 0) throw new Error(`${command.program} ended with status ${status}:\n${lines.last()}`);
    return { seconds: (performance.now() - start) / 1000, peakBytes };
  } finally {
    clearInterval(sampler);
    killGroup(child);
  }
}

/** Starts it as the leader of a process group, with its output and its errors on one pipe. */
function launch({ program, args, env }: Command) {
  const child = spawn("/bin/sh", ["-c", 'exec "$0" "$@" 2>&1', program, ...args], {
    env,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const seen: string[] = [];
  const lines = {
    async *read(): AsyncGenerator<string> {
      for await (const line of createInterface({ input: child.stdout })) {
        seen.push(line);
        yield line;
      }
    },
    last: () => seen.slice(-quotedLines).join("\n"),
  };
  return { child, lines };
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // it has ended
  }
}

function bytesOfGroup(group: number): number {
  let kilobytes = 0;
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, , leader] = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      if (Number(leader) !== group) continue;
      kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch {
      // it has ended meanwhile
    }
  }
  return kilobytes * 1024;
}
