// What a launcher does when it is asked to stop.
import { statusOfSignal } from "./ending.ts";

/** Ends a launcher that was asked to stop while it had no processes. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly status: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.status = statusOfSignal(signal);
  }
}

interface Receiver {
  readonly isRunning: boolean;
  signal(signal: NodeJS.Signals): void;
}

const passedOn = ["SIGINT", "SIGTERM"] as const;

/** Passes SIGINT and SIGTERM on to this machine's processes. */
export class Signals {
  readonly #interruption = new AbortController();
  readonly #receive: (signal: NodeJS.Signals) => void;
  #received: NodeJS.Signals | undefined;

  constructor(receiver: Receiver) {
    this.#receive = (signal) => {
      this.#received = signal;
      if (receiver.isRunning) receiver.signal(signal);
      else this.#interruption.abort(new Interrupted(signal));
    };
    for (const signal of passedOn) process.on(signal, this.#receive);
  }

  /** Is aborted, with an `Interrupted`, by a signal that comes while no process runs. */
  get interruption(): AbortSignal {
    return this.#interruption.signal;
  }

  /** Nothing is started after a signal. */
  throwIfReceived(): void {
    if (this.#received !== undefined) throw new Interrupted(this.#received);
  }

  close(): void {
    for (const signal of passedOn) process.off(signal, this.#receive);
  }
}

/** What the promise brings, unless the signal comes before; then an error with its reason. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([promise, aborted]);
}
