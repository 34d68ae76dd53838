// This process' connection with the others, from the first meeting to its end.
import type { c10d } from "../tensor/index.ts";
import { localAddress } from "./address.ts";
import type { Meeting, Place } from "./environment.ts";
import { peerError } from "./failure.ts";
import { absentFrom, keysOf, meet, nameRanks } from "./meeting.ts";
import { Presence, type State } from "./presence.ts";

export interface ConnectionOptions {
  readonly joinTimeoutMs: number;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly cudaDevice: number | undefined;
}

interface Closable {
  close(): void;
}

/** For one answer of the store about what is there. */
const answerMs = 5000;

/** How long the process that serves the store stays for the others to read from it why the run failed. */
const lingerMs = 10_000;

export class Connection {
  readonly store: c10d.Store;
  readonly group: c10d.Group;
  readonly presence: Presence;
  readonly #place: Place;
  readonly #meeting: Meeting;
  readonly #owned = new Set<Closable>();
  #barriers = 0;
  #failure: Error | undefined;

  private constructor(place: Place, meeting: Meeting, parts: Pick<Connection, "store" | "group" | "presence">) {
    this.#place = place;
    this.#meeting = meeting;
    this.store = parts.store;
    this.group = parts.group;
    this.presence = parts.presence;
  }

  static async open(place: Place, meeting: Meeting, options: ConnectionOptions): Promise<Connection> {
    const { joinTimeoutMs, timeoutMs, heartbeatMs, cudaDevice } = options;
    const { rank, size, localSize } = place;
    const at = await localAddress(meeting.host, { severalMachines: size !== localSize });
    const store = meet(place, meeting, joinTimeoutMs);
    const presence = new Presence(store, place, heartbeatMs);
    try {
      const group = store.connect({ rank, size, timeoutMs, at, cudaDevice, heartbeat: presence.heart });
      return new Connection(place, meeting, { store, group, presence });
    } catch (error) {
      // A wrong argument is no other process' fault.
      const explained =
        error instanceof TypeError
          ? error
          : peerError(`connecting from ${at}`, error as Error, meeting, presence.listen());
      presence.close();
      store.close();
      throw explained;
    }
  }

  /** Something that uses the connection, and is closed with it. */
  own<T extends Closable>(closable: T): T {
    this.#owned.add(closable);
    return closable;
  }

  disown(closable: Closable): void {
    this.#owned.delete(closable);
  }

  /** Runs something that communicates. An error in it is the connection's end, and says which process is to blame. */
  run<T>(name: string, body: () => T): T {
    if (this.#failure) throw this.#failure;
    try {
      return body();
    } catch (error) {
      // It was explained where it happened, inside of this.
      if (error === this.#failure) throw error;
      // What is wrong with the arguments is the caller's fault and has sent nothing.
      if (error instanceof TypeError) throw error;
      this.#failure = this.#fail(name, error as Error);
      throw this.#failure;
    }
  }

  /** Waits for all processes; throws an error that names those that do not come in time. */
  awaitAll(timeoutMs: number): void {
    const keys = `barrier/${this.#barriers++}`;
    this.store.set(`${keys}/${this.#place.rank}`, "");
    if (this.#waitFor(keysOf(keys, this.#place.size), timeoutMs)) return;
    const absent = absentFrom(this.store, keys, this.#place.size) ?? [0];
    if (absent.length > 0) throw new Error(`${nameRanks(absent)} did not come within ${timeoutMs / 1000} s`);
  }

  /** Waits for what another process writes under the key. */
  await(key: string, timeoutMs: number): string {
    if (this.#waitFor([key], timeoutMs)) return this.store.get(key, { timeoutMs: answerMs });
    throw new Error(`nothing was there within ${timeoutMs / 1000} s`);
  }

  /** False when the keys did not come in time, or somebody is lost for whom there is no sense in waiting. */
  #waitFor(keys: readonly string[], timeoutMs: number): boolean {
    // Between the slices of waiting it is seen who lives.
    const slice = 5 * this.presence.intervalMs;
    const end = performance.now() + timeoutMs;
    for (let left = timeoutMs; left > 0; left = end - performance.now()) {
      if (waitFor(this.store, keys, Math.ceil(Math.min(left, slice)))) return true;
      const states = [...(this.presence.listen()?.values() ?? [])];
      if (states.length === 0 || states.some(({ kind }) => kind !== "alive")) break;
    }
    return waitFor(this.store, keys, 1);
  }

  /**
   * Leaves; with a reason when the run is over with that. The process that serves the store waits until the others have left too, but
   * not for long.
   */
  close(reason?: string): void {
    if (this.#failure === undefined) {
      this.presence.end(reason ?? "it has left the run", { isOver: reason !== undefined });
      const others = Array.from({ length: this.#place.size }, (_, rank) => rank);
      this.#leave(others.filter((rank) => rank !== this.#place.rank));
      this.#failure = new Error("the process group is closed");
    }
    this.presence.close();
    this.store.close();
  }

  /** Cuts the connections, so that those who wait for this process fail too, and finds out who is lost. */
  #fail(name: string, cause: Error): Error {
    const states = this.presence.listen();
    const error = peerError(name, cause, this.#meeting, states);
    this.presence.end(error.message, { isOver: true });
    this.#leave(living(states));
    return error;
  }

  #leave(others: readonly number[]): void {
    for (const owned of this.#owned) owned.close();
    this.#owned.clear();
    this.group.close();
    if (this.#place.rank === 0 && this.#meeting.servedBy === "rank 0") this.presence.waitForEnd(others, lingerMs);
  }
}

function living(states: ReadonlyMap<number, State> | undefined): number[] {
  return [...(states ?? [])].filter(([, { kind }]) => kind === "alive").map(([rank]) => rank);
}

function waitFor(store: c10d.Store, keys: readonly string[], timeoutMs: number): boolean {
  try {
    store.wait(keys, { timeoutMs });
    return true;
  } catch {
    return false;
  }
}
