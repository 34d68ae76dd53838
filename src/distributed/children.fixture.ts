// Starts the processes of a group for tests; each runs a task of a script in test/children.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const collectives = new URL("../../test/children/distributed.ts", import.meta.url);

/** A child and the lines of JSON that it has printed so far. */
export interface Child {
  readonly process: ChildProcess;
  readonly lines: unknown[];
  /** Its last line, once it has ended. */
  readonly end: Promise<Outcome>;
  readonly stderr: () => string;
}

export interface Outcome {
  result?: unknown;
  error?: string;
  lost?: number[];
}

export interface ChildOptions {
  /** One of test/children; default distributed.ts. */
  readonly script?: URL;
  readonly task: string;
  readonly argument?: string;
  readonly place: Readonly<Record<string, string | number>>;
  readonly options?: { timeoutMs?: number; joinTimeoutMs?: number; heartbeatMs?: number; cudaDevice?: number };
  /** Words that stand before the command, to run it on another machine (test/support/machines.ts). */
  readonly inside?: readonly string[];
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

export function startChild(child: ChildOptions): Child {
  const { script = collectives, task, argument = "", place, options = {}, inside = [] } = child;
  const [program, ...args] = [...inside, process.execPath, "--import", "tsx", fileURLToPath(script), task, argument];
  const started = spawn(program!, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      OMP_NUM_THREADS: "1",
      MASTER_ADDR: "127.0.0.1",
      GROUP_OPTIONS: JSON.stringify({ timeoutMs: 20_000, heartbeatMs: 200, ...options }),
      ...Object.fromEntries(Object.entries(place).map(([name, value]) => [name, String(value)])),
    },
  });
  const lines: unknown[] = [];
  let stderr = "";
  started.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
  });
  createInterface(started.stdout).on("line", (line) => lines.push(JSON.parse(line)));
  const end = once(started, "close").then(() => (lines.at(-1) ?? { error: `printed nothing: ${stderr}` }) as Outcome);
  return { process: started, lines, end, stderr: () => stderr };
}

/** `size` processes of one group, each with the task and its own argument. */
export async function startGroup(
  size: number,
  { arguments: perRank = [], ...options }: Omit<ChildOptions, "place" | "argument"> & { arguments?: readonly string[] },
): Promise<Child[]> {
  const port = await freePort();
  return Array.from({ length: size }, (_, rank) =>
    startChild({
      ...options,
      argument: perRank[rank] ?? "",
      place: { RANK: rank, WORLD_SIZE: size, LOCAL_RANK: rank, LOCAL_WORLD_SIZE: size, MASTER_PORT: port },
    }),
  );
}

export async function outcomes(children: readonly Child[]): Promise<Outcome[]> {
  return Promise.all(children.map(({ end }) => end));
}
