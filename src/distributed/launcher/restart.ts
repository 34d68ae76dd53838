type Environment = Readonly<Record<string, string | undefined>>;

/** How a process knows its run's folder. */
export interface RunIdentity {
  readonly name?: string | undefined;
  readonly resume?: string | undefined;
}

/**
 * What is wrong with a run that its launcher is to start again after a failure: without a name each start takes a new folder, and begins
 * anew. Our own launcher always gives a name; torchrun cannot.
 */
export function restartProblem(environment: Environment, { name, resume }: RunIdentity): string | undefined {
  const restarts = Number(environment["TORCHELASTIC_MAX_RESTARTS"] ?? 0);
  if (!(restarts > 0) || name !== undefined || resume !== undefined) return undefined;
  return `the launcher starts a run that fails again (TORCHELASTIC_MAX_RESTARTS=${restarts}), but without --name it cannot go on where it stopped: give --name`;
}
