// A run that is asked to stop: SIGTERM, as SLURM, Kubernetes and launchers send it, or Ctrl-C.

/** The status of a process that was stopped as asked and can be resumed: sysexits' EX_TEMPFAIL, "try again later". */
export const stoppedStatus = 75;

const interruptedStatus = 130; // 128 + SIGINT, as shells say it

/** From its making to `close`, the first signal asks for a stop at the end of the step; a second Ctrl-C ends the process at once. */
export class StopSignal {
  #asked: NodeJS.Signals | undefined;
  readonly #terminate = (): void => this.#ask("SIGTERM");
  readonly #interrupt = (): void => this.#ask("SIGINT");

  constructor() {
    process.on("SIGTERM", this.#terminate);
    process.on("SIGINT", this.#interrupt);
  }

  /** The signal that asked. */
  get asked(): NodeJS.Signals | undefined {
    return this.#asked;
  }

  close(): void {
    process.off("SIGTERM", this.#terminate);
    process.off("SIGINT", this.#interrupt);
  }

  #ask(signal: NodeJS.Signals): void {
    if (signal === "SIGINT" && this.#asked === "SIGINT") process.exit(interruptedStatus);
    this.#asked = signal;
  }
}
