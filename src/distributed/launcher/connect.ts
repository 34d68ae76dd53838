// The way to node 0's launcher, which may be started later than this one.
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "./options.ts";
import { say } from "./say.ts";
import { unlessAborted } from "./signals.ts";

type Head = Pick<Cluster, "host" | "port" | "joinTimeoutMs">;

const retryMs = 500;
/** For one try: a machine that is still starting may not even refuse. */
const tryMs = 5000;

/** Tries again and again for as long as machines may take to come. */
export async function connectTo(head: Head, abandon: AbortSignal): Promise<Socket> {
  const end = performance.now() + head.joinTimeoutMs;
  say(`this node waits for node 0 at ${head.host}:${head.port}`);
  for (;;) {
    const left = end - performance.now();
    try {
      return await tryOnce(
        head,
        AbortSignal.any([abandon, AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(tryMs, left))))]),
      );
    } catch (error) {
      abandon.throwIfAborted();
      if (left < retryMs) throw notFound(head, error as NodeJS.ErrnoException);
      await unlessAborted(delay(retryMs), abandon);
    }
  }
}

async function tryOnce({ host, port }: Head, abandon: AbortSignal): Promise<Socket> {
  const socket = createConnection({ host, port });
  try {
    await once(socket, "connect", { signal: abandon });
    return socket;
  } catch (error) {
    socket.on("error", () => {}).destroy();
    throw error;
  }
}

function notFound({ host, port, joinTimeoutMs }: Head, cause: NodeJS.ErrnoException): Error {
  // Where a name has several addresses, the error of them all has a code and no message.
  const why = cause.name === "AbortError" ? "no answer" : cause.message || cause.code;
  const tried = `for ${joinTimeoutMs / 1000} s (--join-timeout)`;
  const meaning = "it was not started, or this is not its address";
  return new Error(`no launcher of node 0 was found at ${host}:${port} ${tried}: ${why}; ${meaning}`, { cause });
}
