// The flags by which `fastclip train` starts several processes of itself.
import { type Command, InvalidArgumentError } from "commander";
import { commandWithout } from "../distributed/launcher/command.ts";
import type { Cluster, LaunchOptions } from "../distributed/launcher/options.ts";
import { ConfigError } from "../train/config/errors.ts";

/** As commander gives them. */
export interface LaunchFlags {
  readonly nprocPerNode?: number;
  readonly nnodes?: number;
  readonly nodeRank?: number;
  readonly rdzv?: { readonly host: string; readonly port: number };
  readonly maxRestarts?: number;
}

const names = ["--nproc-per-node", "--nnodes", "--node-rank", "--rdzv", "--max-restarts"];

export function addLaunchOptions(command: Command): Command {
  return command
    .optionsGroup("Processes:")
    .option("--nproc-per-node <number>", "Processes that this machine starts (default: 1)", atLeast(1))
    .option(
      "--nnodes <number>",
      "Machines that take part; the command is started once on each (default: 1)",
      atLeast(1),
    )
    .option("--node-rank <number>", "Which of the machines this is, from 0 on", atLeast(0))
    .option("--rdzv <host:port>", "With several machines: where that of rank 0 waits for the others", address)
    .option(
      "--max-restarts <number>",
      "How often all start again from the last checkpoint after one failed (default: 0)",
      atLeast(0),
    )
    .optionsGroup("Options:");
}

/** How many processes the flags ask for on all machines; undefined without any of them. */
export function processesOf({ nprocPerNode, nnodes }: LaunchFlags): number | undefined {
  if (nprocPerNode === undefined && nnodes === undefined) return undefined;
  return (nprocPerNode ?? 1) * (nnodes ?? 1);
}

/** What is to be launched; undefined when this process itself is the run. */
export function launchOptions(
  flags: LaunchFlags,
  { environment, joinTimeout }: { environment: NodeJS.ProcessEnv; joinTimeout: number },
): Omit<LaunchOptions, "name"> | undefined {
  const { nprocPerNode: processes = 1, maxRestarts = 0 } = flags;
  const cluster = clusterOf(flags, joinTimeout);
  if (cluster === undefined && processes === 1 && maxRestarts === 0) return undefined;
  refuseNesting(environment, cluster);
  return { command: commandWithout(names, process), processes, cluster, maxRestarts };
}

/** Whether nothing of the run can be there yet: this is node 0, and not a job that SLURM has queued again. */
export function isFirst({ cluster }: Pick<LaunchOptions, "cluster">, environment: NodeJS.ProcessEnv): boolean {
  return (cluster?.node ?? 0) === 0 && Number(environment["SLURM_RESTART_COUNT"] ?? 0) === 0;
}

function clusterOf({ nnodes: nodes = 1, nodeRank: node, rdzv }: LaunchFlags, joinTimeout: number): Cluster | undefined {
  if (node !== undefined && node >= nodes)
    throw new ConfigError([`--node-rank ${node}: must be less than --nnodes, which is ${nodes}`]);
  if (nodes === 1) return undefined;
  if (node === undefined)
    throw new ConfigError([
      `--nnodes ${nodes}: needs --node-rank, which says which machine this is (0 to ${nodes - 1})`,
    ]);
  if (rdzv === undefined)
    throw new ConfigError([`--nnodes ${nodes}: needs --rdzv HOST:PORT, an address of node 0 that all machines reach`]);
  return { nodes, node, ...rdzv, joinTimeoutMs: Math.max(1, Math.round(joinTimeout * 1000)) };
}

/** A process that a launcher started is one of the run already; but Kubernetes' PyTorchJob numbers machines by the same variables. */
function refuseNesting({ RANK, LOCAL_RANK, WORLD_SIZE }: NodeJS.ProcessEnv, cluster: Cluster | undefined): void {
  if (RANK === undefined && LOCAL_RANK === undefined) return;
  const isMachine = Number(RANK) === (cluster?.node ?? 0) && Number(WORLD_SIZE ?? 1) === (cluster?.nodes ?? 1);
  if (LOCAL_RANK === undefined && isMachine) return;
  const rank = RANK === undefined ? `LOCAL_RANK=${LOCAL_RANK}` : `RANK=${RANK}`;
  throw new ConfigError([
    `--nproc-per-node, --nnodes, --max-restarts: another launcher has started this process already (${rank} is set)`,
  ]);
}

export function atLeast(least: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
  };
}

/** HOST:PORT, where HOST may be an IPv6 address in brackets. */
function address(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new InvalidArgumentError("Expected HOST:PORT with a port from 1 to 65535.");
}
