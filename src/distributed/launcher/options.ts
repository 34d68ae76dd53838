export interface LaunchOptions {
  /** What each process runs: the arguments of Node, the script's path and what follows it. */
  readonly command: readonly string[];
  /** How many of them this machine starts. */
  readonly processes: number;
  /** The other machines, where there are any. */
  readonly cluster: Cluster | undefined;
  /** How often all processes are started again after one has failed. Node 0's counts. */
  readonly maxRestarts: number;
  /** The name of a new run, which every process gets as `--name`. Node 0's counts. */
  readonly name: string | undefined;
  readonly timing?: Partial<Timing>;
}

export interface Cluster {
  readonly nodes: number;
  /** Which of them this machine is. */
  readonly node: number;
  /** Where the launcher of node 0 waits for the others. */
  readonly host: string;
  readonly port: number;
  /** For all machines to come. */
  readonly joinTimeoutMs: number;
}

export interface Timing {
  /** For the other processes to end by themselves after one has failed; they can tell best why they do. */
  readonly graceMs: number;
  /** From asking a process to end to killing it. */
  readonly killMs: number;
  /** Between two signs of life of a launcher. Four without one, and it is lost. */
  readonly beatMs: number;
}

export const defaultTiming: Timing = { graceMs: 15_000, killMs: 5000, beatMs: 2000 };
