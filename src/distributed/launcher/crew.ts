// The processes of this machine.
import { type Attempt, rankOf, variablesOf, worldSize } from "./attempt.ts";
import {
  describeEnding,
  type Ending,
  type Failure,
  isFailure,
  type Report,
  statusOf,
  stoppedStatus,
} from "./ending.ts";
import type { Machine } from "./machine.ts";
import { type RankProcess, startRank } from "./rank-process.ts";
import { say } from "./say.ts";
import { launcherVariable } from "./tether.ts";

export interface CrewOptions {
  readonly node: number;
  /** Arguments of Node: the script's path and what follows it. */
  readonly command: readonly string[];
  /** Added to the environment of each. */
  readonly variables: Readonly<Record<string, string>>;
  /** For the others to end by themselves after one has failed; they can tell best why they do. */
  readonly graceMs: number;
  /** From asking a process to end to killing it. */
  readonly killMs: number;
}

/** Starts the processes of this machine, watches them, and stops all when one fails or the run ends elsewhere. */
export class Crew implements Machine {
  readonly node: number;
  readonly #options: CrewOptions;
  #processes: readonly RankProcess[] = [];
  #timers: NodeJS.Timeout[] = [];
  #isStopping = false;
  #signal: NodeJS.Signals | undefined;
  readonly #sent = new Set<NodeJS.Signals>();
  #forced: number[] = [];

  constructor(options: CrewOptions) {
    this.node = options.node;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#processes.some(({ isRunning }) => isRunning());
  }

  /** Starts them all; comes back when all have ended. */
  async run(attempt: Attempt, onFailure: (failure: Failure) => void): Promise<Report> {
    this.#isStopping = false;
    this.#sent.clear();
    this.#forced = [];
    const ranks = Array.from({ length: attempt.sizes[this.node]! }, (_, localRank) => localRank);
    this.#processes = ranks.map((localRank) => this.#start(attempt, localRank));
    const watched = this.#processes.map(async ({ rank, ended }) => {
      const ending = await ended;
      // Those that are stopped have failed because another did; unless nobody here sent what killed them.
      if (!this.#isStopping && isFailure(ending)) onFailure(this.#failureOf(attempt, rank, ending));
      else if (ending.kind === "killed" && !this.#sent.has(ending.signal))
        say(`rank ${rank} ${describeEnding(ending)}`);
      return ending;
    });
    const endings = await Promise.all(watched);
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    const stopped = endings.some((ending) => ending.kind === "exited" && ending.status === stoppedStatus);
    return { stopped, forced: this.#forced, signal: this.#signal };
  }

  /** Gives them time to end by themselves, then asks, then kills. */
  stop({ sentence }: Failure): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { graceMs, killMs } = this.#options;
    if (!this.isRunning) return;
    say(`${sentence}; the other processes have ${graceMs / 1000} s to end`);
    this.#after(graceMs, () => this.#killAll("SIGTERM"));
    this.#after(graceMs + killMs, () => this.#force());
  }

  /** Passes a signal on. After a second SIGINT none may live long. */
  signal(signal: NodeJS.Signals): void {
    this.#killAll(signal);
    if (signal === "SIGINT" && this.#signal === "SIGINT") this.#after(this.#options.killMs, () => this.#force());
    this.#signal = signal;
  }

  /** Leaves none. */
  async end(): Promise<void> {
    this.#killAll("SIGKILL");
    await Promise.all(this.#processes.map(({ ended }) => ended));
  }

  #start(attempt: Attempt, localRank: number): RankProcess {
    const { command, variables } = this.#options;
    const place = { node: this.node, localRank };
    const rank = rankOf(attempt, place);
    const name = attempt.name === undefined ? [] : ["--name", attempt.name];
    const own = { ...variables, ...variablesOf(attempt, place), [launcherVariable]: String(process.pid) };
    const prefix = worldSize(attempt) > 1 ? `[rank ${rank}] ` : undefined;
    return startRank({ rank, command: [...command, ...name], env: { ...process.env, ...own }, prefix });
  }

  #failureOf({ sizes }: Attempt, rank: number, ending: Ending): Failure {
    const where = sizes.length > 1 ? ` (node ${this.node})` : "";
    return { kind: "process", sentence: `rank ${rank}${where} ${describeEnding(ending)}`, status: statusOf(ending) };
  }

  #after(milliseconds: number, action: () => void): void {
    this.#timers.push(setTimeout(action, milliseconds));
  }

  #killAll(signal: NodeJS.Signals): void {
    this.#sent.add(signal);
    for (const { kill } of this.#processes) kill(signal);
  }

  #force(): void {
    this.#forced = this.#processes.filter(({ isRunning }) => isRunning()).map(({ rank }) => rank);
    this.#isStopping = true;
    this.#killAll("SIGKILL");
  }
}
