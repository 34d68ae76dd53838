// Who of the processes lives, who has ended and what each was doing: told through the store by a heartbeat that goes on while
// a process computes or stands in a collective.
import type { c10d } from "../tensor/index.ts";
import type { Place } from "./environment.ts";
import { keysOf, overKey } from "./meeting.ts";

/** What is known of another process. */
export type State =
  | { readonly kind: "alive"; readonly phase: string }
  | { readonly kind: "lost"; readonly phase: string }
  | { readonly kind: "ended"; readonly reason: string };

/** A process whose heart has not beaten for so many intervals is lost. */
const patience = 3;
/** For one answer of the store, which is asked only for what is there. */
const answerMs = 5000;

export class Presence {
  readonly intervalMs: number;
  readonly #store: c10d.Store;
  readonly #place: Place;
  readonly heart: c10d.Heartbeat;

  constructor(store: c10d.Store, place: Place, intervalMs: number) {
    this.#store = store;
    this.#place = place;
    this.intervalMs = intervalMs;
    this.heart = store.beat(`beat/${place.rank}`, { over: overKey, intervalMs });
  }

  /** What this process is doing, told to the others with the next beat. */
  set phase(phase: string) {
    this.heart.phase = phase;
  }

  /** Listens for `patience` intervals. Undefined when the store is gone. */
  listen(): Map<number, State> | undefined {
    try {
      const before = this.#beats();
      sleep(patience * this.intervalMs);
      const now = this.#beats();
      const others = [...now.keys()].filter((rank) => rank !== this.#place.rank);
      return new Map(others.map((rank) => [rank, this.#stateOf(rank, before[rank], now[rank])]));
    } catch {
      return undefined;
    }
  }

  /** Says that this process takes part no longer, and why; and whether the run is over with that. */
  end(reason: string, { isOver }: { isOver: boolean }): void {
    try {
      this.#store.set(`end/${this.#place.rank}`, reason);
      if (isOver) this.#store.set(overKey, reason);
    } catch {
      // Without a store there is nobody to tell.
    }
  }

  /** Waits until these processes have ended too, so that they can still read the store; at most so long. */
  waitForEnd(ranks: readonly number[], timeoutMs: number): void {
    try {
      const keys = ranks.map((rank) => `end/${rank}`);
      if (keys.length > 0) this.#store.wait(keys, { timeoutMs });
    } catch {
      // One that ends later finds the store gone, and says so.
    }
  }

  close(): void {
    this.heart.close();
  }

  #beats(): (string | undefined)[] {
    return keysOf("beat", this.#place.size).map((key) => this.#read(key));
  }

  #stateOf(rank: number, before: string | undefined, now: string | undefined): State {
    const reason = this.#read(`end/${rank}`);
    if (reason !== undefined) return { kind: "ended", reason };
    const phase = now?.slice(now.indexOf(" ") + 1) || "starting";
    return { kind: before === now ? "lost" : "alive", phase };
  }

  #read(key: string): string | undefined {
    return this.#store.has([key]) ? this.#store.get(key, { timeoutMs: answerMs }) : undefined;
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
