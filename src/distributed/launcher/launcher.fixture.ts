// Starts launchers for tests. They start test/children/rank.ts.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import type { Cluster, LaunchOptions } from "./options.ts";

const script = fileURLToPath(new URL("../../../test/children/launcher.ts", import.meta.url));

export interface Launcher {
  readonly process: ChildProcess;
  /** Lines so far. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Its exit status, or the signal that ended it. */
  readonly end: Promise<number | NodeJS.Signals>;
}

export type TestOptions = Partial<Omit<LaunchOptions, "command" | "cluster">> & {
  readonly task: string;
  readonly cluster?: Cluster;
  readonly env?: NodeJS.ProcessEnv;
};

/** In the environment of all that a test starts. */
const marker = `FASTCLIP_TEST=${randomUUID()}`;

export function startLauncher({ task, env, ...options }: TestOptions): Launcher {
  const [name, value] = marker.split("=") as [string, string];
  const timing = { graceMs: 1500, killMs: 500, ...options.timing };
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify({ ...options, timing }), task], {
    env: { ...process.env, ...env, [name]: value },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr]: [string[], string[]] = [[], []];
  createInterface({ input: child.stdout }).on("line", (line) => stdout.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => stderr.push(line));
  const end = once(child, "close").then(([status, signal]) => status ?? signal);
  return { process: child, stdout, stderr, end };
}

export function ends(launchers: readonly Launcher[]): Promise<(number | NodeJS.Signals)[]> {
  return Promise.all(launchers.map(({ end }) => end));
}

export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(20);
}

/** The process numbers by rank, once `count` processes have printed theirs ("[rank 1] ready 4711"). */
export async function ready({ stdout, end }: Launcher, count: number): Promise<number[]> {
  const lines = (): string[] => stdout.filter((line) => line.includes("ready "));
  let ended = false;
  void end.then(() => {
    ended = true;
  });
  await until(() => ended || lines().length >= count);
  const pids = lines().map((line): [number, number] => {
    const [, rank = 0, pid] = /^(?:\[rank (\d+)\] )?ready (\d+)$/.exec(line) ?? [];
    return [Number(rank), Number(pid)];
  });
  return pids.sort(([a], [b]) => a - b).map(([, pid]) => pid);
}

/** All processes that a test of this file started and that still live. */
export function leftBehind(): number[] {
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return numbers.filter(isMarked).map(Number);
}

function isMarked(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(marker);
  } catch {
    // It has ended in between.
    return false;
  }
}

afterEach(() => {
  for (const pid of leftBehind()) process.kill(pid, "SIGKILL");
});
