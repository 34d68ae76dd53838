// A side of the benchmark, and the CPU time that it takes.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { LineProcess } from "../peer.ts";

/** Batches that are taken before the clock starts: those made ahead, and one more. */
const ahead = 5;
const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Pictures a second. */
export interface Rates {
  readonly perCpuSecond: number;
  readonly perSecond: number;
}

/** One side: a process whose children and threads count as its own. */
export class Side {
  readonly #child: ChildProcess;
  readonly #lines: LineProcess;

  constructor(name: string, command: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(command[0]!, command.slice(1), { env, stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = new LineProcess(this.#child, name);
  }

  ask<Reply>(request: object): Promise<Reply> {
    return this.#lines.ask<Reply>(request);
  }

  /** Makes `batches` batches. */
  async turn({ batches, batchSize }: { batches: number; batchSize: number }): Promise<Rates> {
    await this.ask({ batches: ahead });
    const before = this.#cpuSeconds();
    const { seconds } = await this.ask<{ seconds: number }>({ batches });
    const pictures = batches * batchSize;
    const rates = { perCpuSecond: pictures / (this.#cpuSeconds() - before), perSecond: pictures / seconds };
    await this.#settled();
    return rates;
  }

  close(): void {
    this.#lines.close();
  }

  /** Waits until nothing is made ahead any more, which would take time from the other side. */
  async #settled(): Promise<void> {
    for (let before = -1; before !== this.#cpuSeconds(); await setTimeout(300)) before = this.#cpuSeconds();
  }

  #cpuSeconds(): number {
    const all = processes();
    let ticks = 0;
    const tree = [this.#child.pid!];
    for (const pid of tree) {
      ticks += all.get(pid)?.ticks ?? 0;
      for (const [child, { parent }] of all) if (parent === pid) tree.push(child);
    }
    return ticks / ticksPerSecond;
  }
}

/** Parent and CPU time of every process, from /proc (proc(5): fields 4, 14 and 15 of stat). */
function processes(): Map<number, { parent: number; ticks: number }> {
  const found = new Map<number, { parent: number; ticks: number }>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      // The name of the program, which stands in brackets, may hold spaces.
      const fields = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)!.split(" ");
      found.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
