// How the processes of a run find each other: all connect to one store and say that they are there.
import { hostname } from "node:os";
import { c10d } from "../tensor/index.ts";
import type { Meeting, Place } from "./environment.ts";

/** Under it stands in the store why the run is over, once it is: nothing is waited for any more. */
export const overKey = "over";

/** A launcher's store outlives a restart: what the processes before have left in it is under another number. */
const prefixOf = (attempt: number): string => `fastclip/${attempt}`;

/** Serves the store or connects to it, and waits for all processes. */
export function meet(place: Place, { host, port, servedBy }: Meeting, timeoutMs: number): c10d.Store {
  const serve = servedBy === "rank 0" && place.rank === 0;
  const started = performance.now();
  const store = open({ host, port, serve, timeoutMs, prefix: prefixOf(place.attempt) });
  store.set(`here/${place.rank}`, `${hostname()}, process ${process.pid}`);
  const left = Math.max(1, Math.round(timeoutMs - (performance.now() - started)));
  try {
    store.wait(keysOf("here", place.size), { timeoutMs: left });
  } catch {
    const absent = absentFrom(store, "here", place.size);
    store.close();
    const who = absent === undefined ? "" : `${nameRanks(absent)} of ${place.size} did not come`;
    throw new Error(
      `the processes did not all meet at ${host}:${port} within ${timeoutMs / 1000} s: ${who || "rank 0 has left"}`,
    );
  }
  return store;
}

/** Tells the processes of an attempt from outside that it is over. Those that do not hear it end later. */
export function declareOver(
  { host, port, attempt }: { readonly host: string; readonly port: number; readonly attempt: number },
  reason: string,
): void {
  try {
    const store = open({ host, port, serve: false, timeoutMs: 5000, prefix: prefixOf(attempt) });
    store.set(overKey, reason);
    store.close();
  } catch {
    // The store is gone, which tells them the same.
  }
}

function open(options: c10d.StoreOptions): c10d.Store {
  const { host, port, timeoutMs } = options;
  try {
    return c10d.Store.open(options);
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("EADDRINUSE"))
      throw new Error(`port ${port} of this machine is in use: give the run another MASTER_PORT`, { cause: error });
    if (/time[d ]*out|connect|getaddrinfo|no address/i.test(message))
      throw new Error(
        `no run answers at ${host}:${port} (tried for ${timeoutMs / 1000} s): rank 0 was not started, or this is not its address`,
        { cause: error },
      );
    throw error;
  }
}

export function keysOf(name: string, size: number): string[] {
  return Array.from({ length: size }, (_, rank) => `${name}/${rank}`);
}

/** The ranks whose key is not there; undefined when the store does not answer. */
export function absentFrom(store: c10d.Store, name: string, size: number): number[] | undefined {
  try {
    return keysOf(name, size).flatMap((key, rank) => (store.has([key]) ? [] : [rank]));
  } catch {
    return undefined;
  }
}

/** "rank 3", "ranks 1 and 2", "ranks 1, 2, 3 and 5 more". */
export function nameRanks(ranks: readonly number[]): string {
  if (ranks.length === 1) return `rank ${ranks[0]}`;
  const most = 8;
  const named = ranks.length > most ? [...ranks.slice(0, most), `${ranks.length - most} more`] : ranks;
  return `ranks ${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
}
