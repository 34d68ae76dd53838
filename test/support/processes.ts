// Real processes of `fastclip train`, as a launcher would start them, and what their runs leave.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePort } from "../../src/distributed/children.fixture.ts";
import { readMetrics, type TrainRecord } from "../../src/telemetry/metrics.ts";
import { type NamedTensors, readSafetensors } from "../../src/tensor/index.ts";
import { listCheckpoints } from "../../src/train/checkpoint.ts";

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

/** `fastclip train` with these flags and, beside the own ones, these variables. */
export function startTrain(
  flags: readonly string[],
  variables: Readonly<Record<string, string | number>> = {},
): Started {
  const env = { ...process.env, OMP_NUM_THREADS: "1", ...texts(variables) };
  const child = spawn(process.execPath, ["--import", "tsx", main, "train", ...flags], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, error] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (out += text));
  child.stderr.on("data", (text: Buffer) => (error += text));
  const end = once(child, "close").then(([code, signal]): Ended => ({ code, signal, out, error }));
  return { process: child, out: () => out, error: () => error, end };
}

/** All ranks of a run with the flags, and each with its own more. */
export async function startRanks(
  size: number,
  { flags, own = [] }: { flags: readonly string[]; own?: readonly (readonly string[])[] },
): Promise<Started[]> {
  const port = await freePort();
  return Array.from({ length: size }, (_, rank) => {
    const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: size, LOCAL_WORLD_SIZE: size };
    return startTrain([...flags, ...(own[rank] ?? [])], { ...place, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port });
  });
}

export async function runRanks(size: number, options: Parameters<typeof startRanks>[1]): Promise<Ended[]> {
  const started = await startRanks(size, options);
  return Promise.all(started.map(({ end }) => end));
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
