// What all launchers of a run must know to start its processes.

export interface Attempt {
  /** 0 at first, one more with each restart. */
  readonly number: number;
  readonly maxRestarts: number;
  readonly runId: string;
  /** Where node 0's launcher serves the store. */
  readonly host: string;
  readonly port: number;
  /** How many processes each machine runs, by node; ranks are numbered in this order. */
  readonly sizes: readonly number[];
  /** The name of a new run's folder, one for all machines and attempts. */
  readonly name?: string | undefined;
}

export interface LocalPlace {
  readonly node: number;
  readonly localRank: number;
}

export function worldSize({ sizes }: Pick<Attempt, "sizes">): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

export function rankOf({ sizes }: Pick<Attempt, "sizes">, { node, localRank }: LocalPlace): number {
  return worldSize({ sizes: sizes.slice(0, node) }) + localRank;
}

/** torchrun's variables: https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables */
export function variablesOf(attempt: Attempt, place: LocalPlace): Record<string, string> {
  const { node, localRank } = place;
  const values = {
    RANK: rankOf(attempt, place),
    LOCAL_RANK: localRank,
    WORLD_SIZE: worldSize(attempt),
    LOCAL_WORLD_SIZE: attempt.sizes[node]!,
    GROUP_RANK: node,
    GROUP_WORLD_SIZE: attempt.sizes.length,
    MASTER_ADDR: attempt.host,
    MASTER_PORT: attempt.port,
    TORCHELASTIC_RESTART_COUNT: attempt.number,
    TORCHELASTIC_MAX_RESTARTS: attempt.maxRestarts,
    TORCHELASTIC_RUN_ID: attempt.runId,
    TORCHELASTIC_USE_AGENT_STORE: "True",
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
