// Which of how many processes this one is, from what a launcher has set: torchrun (and ours) or SLURM.

/** One process of a run. */
export interface Place {
  readonly rank: number;
  readonly size: number;
  /** Among the processes of this machine. */
  readonly localRank: number;
  /** How many processes this machine runs, where the launcher tells. */
  readonly localSize: number | undefined;
  /** Which of the machines this is. */
  readonly node: number;
  /** How often the run was started again. */
  readonly attempt: number;
  /** Where the processes meet; a single one meets nobody. */
  readonly meeting: Meeting | undefined;
}

export interface Meeting {
  readonly host: string;
  readonly port: number;
  /** Who serves the store there: rank 0, or a launcher that has done so already (torchrun's agent). */
  readonly servedBy: "rank 0" | "launcher";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The only process of its run. */
export const alone: Place = { rank: 0, size: 1, localRank: 0, localSize: 1, node: 0, attempt: 0, meeting: undefined };

/** Reads the variables of torchrun, else those of SLURM; with none of them there is one process. */
export function readPlace(environment: Environment): Place {
  if (environment["RANK"] !== undefined || environment["WORLD_SIZE"] !== undefined) return fromTorchrun(environment);
  if (environment["SLURM_PROCID"] !== undefined && environment["SLURM_NTASKS"] !== undefined)
    return fromSlurm(environment);
  return alone;
}

/** https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables */
function fromTorchrun(environment: Environment): Place {
  const size = wholeNumber(environment, "WORLD_SIZE", { least: 1 });
  const rank = wholeNumber(environment, "RANK", { below: { name: "WORLD_SIZE", value: size } });
  const localSize = optional(environment, "LOCAL_WORLD_SIZE", (name) =>
    wholeNumber(environment, name, { least: 1, most: size }),
  );
  const localRank =
    optional(environment, "LOCAL_RANK", (name) =>
      wholeNumber(environment, name, {
        below: localSize === undefined ? undefined : { name: "LOCAL_WORLD_SIZE", value: localSize },
      }),
    ) ?? 0;
  if (localRank > rank) throw new Error(`LOCAL_RANK=${localRank} is greater than RANK=${rank}`);
  const attempt = attemptOf(environment);
  if (size === 1) return { ...alone, attempt };
  const node = optional(environment, "GROUP_RANK", (name) => wholeNumber(environment, name, { most: rank }));
  const servedBy = environment["TORCHELASTIC_USE_AGENT_STORE"] === "True" ? "launcher" : "rank 0";
  const host = required(environment, "MASTER_ADDR", `WORLD_SIZE=${size}`);
  const meeting: Meeting = { host, port: masterPort(environment), servedBy };
  return { rank, size, localRank, localSize, node: node ?? nodeOf(rank, localSize), attempt, meeting };
}

/** https://slurm.schedmd.com/srun.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES */
function fromSlurm(environment: Environment): Place {
  const size = wholeNumber(environment, "SLURM_NTASKS", { least: 1 });
  const rank = wholeNumber(environment, "SLURM_PROCID", { below: { name: "SLURM_NTASKS", value: size } });
  const localRank = optional(environment, "SLURM_LOCALID", (name) => wholeNumber(environment, name)) ?? 0;
  if (localRank > rank) throw new Error(`SLURM_LOCALID=${localRank} is greater than SLURM_PROCID=${rank}`);
  const attempt = attemptOf(environment);
  if (size === 1) return { ...alone, attempt };
  const nodes = environment["SLURM_STEP_NODELIST"] ?? environment["SLURM_JOB_NODELIST"];
  if (nodes === undefined && environment["MASTER_ADDR"] === undefined)
    throw new Error(`SLURM_NTASKS=${size}, but neither SLURM_JOB_NODELIST nor MASTER_ADDR says where rank 0 runs`);
  const host = environment["MASTER_ADDR"] ?? firstHost(nodes!);
  const port = environment["MASTER_PORT"] === undefined ? jobPort(environment) : masterPort(environment);
  const given = optional(environment, "SLURM_NODEID", (name) => wholeNumber(environment, name, { most: rank }));
  const localSize = tasksOfNode(environment["SLURM_STEP_TASKS_PER_NODE"], given);
  const node = given ?? nodeOf(rank, localSize);
  return { rank, size, localRank, localSize, node, attempt, meeting: { host, port, servedBy: "rank 0" } };
}

/** A launcher counts from 0 again in a job that SLURM has put back into its queue. */
function attemptOf(environment: Environment): number {
  const counts = ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"].map(
    (count) => optional(environment, count, (name) => wholeNumber(environment, name)) ?? 0,
  );
  return counts.reduce((sum, count) => sum + count);
}

/** Where nobody says which machine a process is on: ranks are numbered machine by machine. */
function nodeOf(rank: number, localSize: number | undefined): number {
  return localSize === undefined ? 0 : Math.floor(rank / localSize);
}

/** How many tasks SLURM runs on a node: "4(x2),3" are 4, 4 and 3. */
function tasksOfNode(tasks: string | undefined, node: number | undefined): number | undefined {
  if (tasks === undefined || node === undefined) return undefined;
  const each = tasks.split(",").flatMap((part) => {
    const [, count, times = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    return count === undefined ? [] : Array<number>(Number(times)).fill(Number(count));
  });
  return each[node];
}

/** The first name of a SLURM node list: "gpu[003-005,9],login1" begins with gpu003. */
export function firstHost(nodes: string): string {
  const first = /^([^,[\s]+)(?:\[(\w+)[^\]]*\]([^,\s]*))?/.exec(nodes);
  if (first === null) throw new Error(`SLURM's node list "${nodes}" begins with no host name`);
  const [, name = "", number = "", rest = ""] = first;
  return name + number + rest;
}

/** Jobs that share a node take different ports, below those that Linux gives to clients (32768 and up). */
function jobPort(environment: Environment): number {
  const job = optional(environment, "SLURM_JOB_ID", (name) => wholeNumber(environment, name)) ?? 0;
  return 20_000 + (job % 10_000);
}

function masterPort(environment: Environment): number {
  required(environment, "MASTER_PORT", "MASTER_ADDR is set");
  return wholeNumber(environment, "MASTER_PORT", { least: 1, most: 65_535 });
}

function required(environment: Environment, name: string, because: string): string {
  const value = environment[name];
  if (value === undefined || value === "") throw new Error(`${because}, but ${name} is not set`);
  return value;
}

function optional<T>(environment: Environment, name: string, read: (name: string) => T): T | undefined {
  return environment[name] === undefined ? undefined : read(name);
}

interface Limits {
  readonly least?: number;
  readonly most?: number;
  readonly below?: { readonly name: string; readonly value: number } | undefined;
}

function wholeNumber(environment: Environment, name: string, limits: Limits = {}): number {
  const { least = 0, most = Number.MAX_SAFE_INTEGER, below } = limits;
  const text = environment[name];
  if (text === undefined)
    throw new Error(`${name} is not set, though another variable says that there are several processes`);
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${name} must be a whole number, not "${text}"`);
  const value = Number(text);
  if (value < least) throw new Error(`${name}=${value} must be ${least} or more`);
  if (value > most) throw new Error(`${name}=${value} must be ${most} or less`);
  if (below && value >= below.value) throw new Error(`${name}=${value} must be less than ${below.name}=${below.value}`);
  return value;
}
