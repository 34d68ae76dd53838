// The sides of the benchmark: each is K processes on the machines, which take steps when they are told to.
import { delimiter, join } from "node:path";
import type { Machine, Machines } from "../../test/support/machines.ts";
import { machineInterface } from "../../test/support/machines.ts";
import { LineProcess, type PythonPeer } from "../peer.ts";
import type { Shape, SideName } from "./messages.ts";

/** What one rank says of some steps; all by step. */
export interface Turn {
  readonly milliseconds: number;
  /** The part of it that the rank stood in collectives, waiting for slower ranks included. */
  readonly inCollectives: number;
  /** By what it is, as messages.ts has it. */
  readonly bytes: Readonly<Record<string, number>>;
}

export interface SideOptions {
  readonly name: SideName;
  readonly machines: Machines;
  readonly shape: Shape;
  readonly ranksPerMachine: number;
  /** Another one for every side. */
  readonly port: number;
  readonly python: PythonPeer;
  /** A clone of the FastCLIP authors' repository. */
  readonly fastClipRepo: string | undefined;
}

/** The steps of one turn as all ranks together saw them. */
export interface Measured {
  /** Of the slowest rank. */
  readonly milliseconds: number;
  /** The mean over ranks. */
  readonly inCollectives: number;
  readonly bytes: Turn["bytes"];
  /** Put on the links by all machines together, for each rank and step; with headers. */
  readonly wireBytes: number;
}

const here = import.meta.dirname;
/** What was sent last is under way a little longer, at most what a link's queue holds. */
const settleMs = 100;

export class Side {
  readonly name: SideName;
  readonly #machines: Machines;
  readonly #ranks: readonly LineProcess[];

  constructor(options: SideOptions) {
    this.name = options.name;
    this.#machines = options.machines;
    this.#ranks = Array.from({ length: options.shape.ranks }, (_, rank) => startRank(rank, options));
  }

  /** The first gradients of every rank with a loss. */
  async check(loss: "fastclip" | "openclip"): Promise<number[]> {
    const replies = await Promise.all(this.#ranks.map((rank) => rank.ask<{ gradients: number[] }>({ check: loss })));
    return replies.flatMap(({ gradients }) => gradients);
  }

  /** Milliseconds of a gather of so many float32 from each rank; ours only. */
  async gather(numbers: number): Promise<number> {
    const replies = await Promise.all(
      this.#ranks.map((rank) => rank.ask<{ milliseconds: number }>({ gather: numbers })),
    );
    return Math.max(...replies.map(({ milliseconds }) => milliseconds));
  }

  async measure(steps: number): Promise<Measured> {
    const before = this.#sentBytes();
    const turns = await Promise.all(this.#ranks.map((rank) => rank.ask<Turn>({ steps })));
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const sent = this.#sentBytes() - before;
    const [first] = turns as [Turn];
    for (const { bytes } of turns)
      if (JSON.stringify(bytes) !== JSON.stringify(first.bytes))
        throw new Error(
          `${this.name}: ranks count different bytes, ${JSON.stringify([first.bytes, bytes])}; expected the same`,
        );
    return {
      milliseconds: Math.max(...turns.map(({ milliseconds }) => milliseconds)),
      inCollectives: turns.reduce((sum, turn) => sum + turn.inCollectives, 0) / turns.length,
      bytes: first.bytes,
      // The step that brings the ranks together is on the links too.
      wireBytes: sent / (steps + 1) / turns.length,
    };
  }

  close(): void {
    for (const rank of this.#ranks) rank.close();
  }

  #sentBytes(): number {
    return this.#machines.all.reduce((sum, machine) => sum + this.#machines.sentBytes(machine), 0);
  }
}

function startRank(rank: number, options: SideOptions): LineProcess {
  const { machines, shape, ranksPerMachine, port, name, python } = options;
  const machine = machines.all[Math.floor(rank / ranksPerMachine)]!;
  const env = {
    ...(isOurs(name) ? process.env : python.env),
    RANK: `${rank}`,
    WORLD_SIZE: `${shape.ranks}`,
    LOCAL_RANK: `${rank % ranksPerMachine}`,
    LOCAL_WORLD_SIZE: `${Math.min(ranksPerMachine, shape.ranks)}`,
    MASTER_ADDR: (machines.all[0] as Machine).address,
    MASTER_PORT: `${port}`,
    GLOO_SOCKET_IFNAME: machineInterface,
    OMP_NUM_THREADS: "1",
    // Of a network without a name server, and of functions that OpenCLIP calls and PyTorch wants to drop.
    TORCH_CPP_LOG_LEVEL: "ERROR",
    PYTHONWARNINGS: "ignore",
  };
  const child = machines.spawn(machine, commandOf(options), { env, stdio: ["pipe", "pipe", "inherit"] });
  return new LineProcess(child, `${name}: rank ${rank}`);
}

const isOurs = (name: SideName): boolean => name.startsWith("ours");

function commandOf({ name, shape, python, fastClipRepo }: SideOptions): string[] {
  const size = [`${shape.batch}`, `${shape.width}`];
  const ours = (reduction: string): string[] => [
    process.execPath,
    "--import",
    "tsx",
    join(here, "worker.ts"),
    reduction,
    ...size,
  ];
  const peer = (loss: string, source: string): string[] => [
    python.python,
    "-u",
    join(here, "peer.py"),
    loss,
    ...size,
    source,
  ];
  switch (name) {
    case "ours, scalars":
      return ours("scalars");
    case "ours, features":
      return ours("features");
    case "OpenCLIP (PyTorch)":
      return peer("openclip", packagesOf(python));
    case "FastCLIP (PyTorch)":
      return peer("fastclip", fastClipRepo!);
  }
}

/** Where the peer's packages are installed: the first place that its Python looks in. */
function packagesOf({ env }: PythonPeer): string {
  return env["PYTHONPATH"]!.split(delimiter)[0]!;
}
