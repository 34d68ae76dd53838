// Real processes of `fastclip train`, as a launcher would start them, and what their runs leave.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../src/distributed/children.fixture.ts";
import { readMetrics, type TrainRecord } from "../../src/telemetry/metrics.ts";
import { type NamedTensors, readSafetensors } from "../../src/tensor/index.ts";
import { listCheckpoints } from "../../src/train/run-files.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

/** One process, what it has printed so far, and its end. */
export interface Started {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly error: () => string;
  readonly end: Promise<Ended>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
}

/** In the environment of all that a test starts. */
const marker = { name: "FASTCLIP_TEST", value: randomUUID() };

export interface StartOptions {
  /** Set beside the own ones. */
  readonly variables?: Readonly<Record<string, string | number>>;
  /** Words that stand before the command, to run it on another machine (machines.ts). */
  readonly inside?: readonly string[];
}

/** `fastclip train` with these flags. */
export function startTrain(flags: readonly string[], { variables = {}, inside = [] }: StartOptions = {}): Started {
  const env = { ...process.env, OMP_NUM_THREADS: "1", [marker.name]: marker.value, ...texts(variables) };
  const [program, ...words] = [...inside, process.execPath, "--import", "tsx", main, "train", ...flags];
  const child = spawn(program!, words, { env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, error] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (out += text));
  child.stderr.on("data", (text: Buffer) => (error += text));
  const end = once(child, "close").then(([code, signal]): Ended => ({ code, signal, out, error }));
  return { process: child, out: () => out, error: () => error, end };
}

/** All ranks of a run with the flags, and each with its own more. */
export async function startRanks(
  size: number,
  { flags, own = [], port: given }: { flags: readonly string[]; own?: readonly (readonly string[])[]; port?: number },
): Promise<Started[]> {
  const port = given ?? (await freePort());
  return Array.from({ length: size }, (_, rank) => {
    const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: size, LOCAL_WORLD_SIZE: size };
    const variables = { ...place, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
    return startTrain([...flags, ...(own[rank] ?? [])], { variables });
  });
}

export async function runRanks(size: number, options: Parameters<typeof startRanks>[1]): Promise<Ended[]> {
  const started = await startRanks(size, options);
  return Promise.all(started.map(({ end }) => end));
}

/** All processes that were started from this file and still live: those of one rank, or every one, launchers too. */
export function living({ rank }: { rank?: number } = {}): number[] {
  const wanted = [`${marker.name}=${marker.value}`, ...(rank === undefined ? [] : [`RANK=${rank}`])];
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return numbers.filter((pid) => hasAll(pid, wanted)).map(Number);
}

function hasAll(pid: string, variables: readonly string[]): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return variables.every((variable) => environment.includes(variable));
  } catch {
    return false; // It has ended in between.
  }
}

/** Ends whatever a test has left. */
export function endAll(): void {
  for (const pid of living()) process.kill(pid, "SIGKILL");
}

/** Waits until it holds; gives up with what it waited for. */
export async function until(what: string, holds: () => boolean, seconds = 60): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await delay(10);
  }
}

function texts(variables: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, `${value}`]));
}

export function trainRecords(run: string): TrainRecord[] {
  return readMetrics(join(run, "metrics.jsonl")).filter((record) => record.kind === "train");
}

/** The weights of a run's last checkpoint. */
export function finalWeights(run: string): NamedTensors {
  return readSafetensors(join(listCheckpoints(run).at(-1)!, "open_clip_model.safetensors")).tensors;
}
