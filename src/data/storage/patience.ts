// How long and how often a server is tried.
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "./storage.ts";

export interface Patience {
  /** Tries that fail one after the other; one that brought `progressBytes` of a file counts as none. */
  readonly tries: number;
  /** The wait after the first failure is up to this; it doubles with each further one... */
  readonly firstDelayMs: number;
  /** ...up to this. */
  readonly longestDelayMs: number;
  /** The most that a server may ask for with Retry-After. */
  readonly longestAskedMs: number;
  /** Until there is a connection and the answer begins. */
  readonly answerMs: number;
  /** Of a body, in this time of waiting... */
  readonly stallMs: number;
  /** ...so many bytes have to come. */
  readonly leastBytes: number;
  /** For a request with all its tries, but for a stream, which may take as long as it goes on. */
  readonly totalMs: number;
}

/** With the delays' mean, 8 tries outlast a server that is away for half a minute. */
export const defaultPatience: Patience = {
  tries: 8,
  firstDelayMs: 500,
  longestDelayMs: 20_000,
  longestAskedMs: 60_000,
  answerMs: 30_000,
  stallMs: 30_000,
  leastBytes: 64 * 1024,
  totalMs: 600_000,
};

const progressBytes = 1024 * 1024;

/** A failure that may pass: worth another try. Its message says what came. */
export class Passing extends Error {
  /** What the server asked to wait. */
  readonly askedMs: number | undefined;

  constructor(message: string, { askedMs, cause }: { askedMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause });
    this.askedMs = askedMs;
  }
}

/** The tries of one request. */
export class Tries {
  readonly #location: string;
  readonly #patience: Patience;
  readonly #started = performance.now();
  readonly #isEndless: boolean;
  #failed = 0;
  #brought = 0;

  constructor(location: string, { patience, isEndless = false }: { patience: Patience; isEndless?: boolean }) {
    this.#location = location;
    this.#patience = patience;
    this.#isEndless = isEndless;
  }

  /** Until the request has to be done; infinity for a stream. */
  get remainingMs(): number {
    return this.#isEndless ? Number.POSITIVE_INFINITY : this.#started + this.#patience.totalMs - performance.now();
  }

  /** Bytes of a file have come. */
  progress(bytes: number): void {
    this.#brought += bytes;
    if (this.#brought >= progressBytes) [this.#failed, this.#brought] = [0, 0];
  }

  /** Waits before the next try. Throws where there is to be none. */
  async again(problem: Passing): Promise<void> {
    this.#failed++;
    this.#brought = 0;
    const { tries } = this.#patience;
    const delay = this.#delay(problem.askedMs);
    if (this.#failed >= tries || delay >= this.remainingMs) throw this.#givenUp(problem);
    await sleep(delay);
  }

  /** Exponential backoff with "equal jitter": half of it is by chance, so that many readers do not come back together. */
  #delay(askedMs = 0): number {
    const { firstDelayMs, longestDelayMs, longestAskedMs } = this.#patience;
    const full = Math.min(firstDelayMs * 2 ** (this.#failed - 1), longestDelayMs);
    return Math.max(full / 2 + (Math.random() * full) / 2, Math.min(askedMs, longestAskedMs));
  }

  #givenUp(problem: Passing): StorageError {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    const often = this.#failed === 1 ? "1 try" : `${this.#failed} tries`;
    const text = `${problem.message}; given up after ${often} in ${seconds} s`;
    return new StorageError("unavailable", { location: this.#location, problem: text, cause: problem });
  }
}

/** Does it again while it fails in a way that may pass. `attempt` is told how long it may take. */
export async function persist<T>(
  location: string,
  { patience, attempt }: { patience: Patience; attempt: (remainingMs: number) => Promise<T> },
): Promise<T> {
  const tries = new Tries(location, { patience });
  for (;;) {
    try {
      return await attempt(tries.remainingMs);
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      await tries.again(error);
    }
  }
}
