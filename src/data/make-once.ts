// Lets one thread of one process make a file that several want, on one machine or on several that share a folder.
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";

/** A lock that nobody has touched for so long was left behind by a process of another machine that died. */
const staleMs = 60_000;
const touchMs = 5_000;
const pollMs = 100;

/**
 * Calls `make`, unless the file is there or someone else is making it, who is then waited for. `make` calls `alive` now and then while
 * it works, and puts the file in its place as a whole.
 */
export async function makeOnce(path: string, make: (alive: () => void) => Promise<void>): Promise<void> {
  const lock = `${path}.lock`;
  while (!existsSync(path)) {
    if (!take(lock)) {
      await sleep(pollMs);
      continue;
    }
    try {
      if (!existsSync(path)) await make(toucher(lock));
    } finally {
      rmSync(lock, { force: true });
    }
  }
}

function take(lock: string): boolean {
  try {
    writeFileSync(lock, `${hostname()} ${process.pid}`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  // Should two remove it at once and both go on, they make the file twice, which does no harm.
  if (isStale(lock)) rmSync(lock, { force: true });
  return false;
}

function isStale(lock: string): boolean {
  const found = statSync(lock, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (Date.now() - found.mtimeMs > staleMs) return true;
  const [host, pid] = readLock(lock);
  return host === hostname() && pid !== undefined && !isAlive(Number(pid));
}

function readLock(lock: string): string[] {
  try {
    return readFileSync(lock, "utf8").split(" ");
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A name beside `path` that no other thread or process uses. */
export function partialName(path: string): string {
  return `${path}.${process.pid}-${threadId}.partial`;
}

/** Shows others that the work goes on. */
function toucher(lock: string): () => void {
  let last = Date.now();
  return () => {
    const now = Date.now();
    if (now - last < touchMs) return;
    last = now;
    utimesSync(lock, now / 1000, now / 1000);
  };
}
