// A lock file that several processes may want, and that outlives none of its owners.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { undoAtExit } from "./process.mjs";

const heartbeat = 5_000;
/** A lock whose owner showed no life for this long is free: its machine went away, or another process has its id now. */
const silence = 60_000;

/** Runs `work` while holding the lock file `path`. `onWait` is called once, with the owner's process id, if it is taken. */
export async function withLock(path, onWait, work) {
  mkdirSync(dirname(path), { recursive: true });
  let waited = false;
  while (!tryLock(path)) {
    const owner = readOwner(path);
    if (!owner) continue;
    if (isStale(path, owner)) {
      breakLock(path, owner.text);
      continue;
    }
    if (!waited) onWait(owner.pid);
    waited = true;
    await sleep(250);
  }
  const beat = setInterval(() => touch(path), heartbeat).unref();
  const unlock = () => rmSync(path, { force: true });
  const forget = undoAtExit(unlock);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    forget();
    unlock();
  }
}

/** The file appears with its text in one step, so no reader sees an empty lock. */
function tryLock(path) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, host: hostname(), since: Date.now() }));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

function readOwner(path) {
  try {
    const text = readFileSync(path, "utf8");
    return { ...JSON.parse(text), text };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    return { pid: 0, host: "", text: "" };
  }
}

function isStale(path, owner) {
  try {
    if (Date.now() - statSync(path).mtimeMs > silence) return true;
  } catch {
    return false;
  }
  return owner.host === hostname() && !isAlive(owner.pid);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Removes a stale lock. Another process may have broken and taken it meanwhile: then its lock is put back. */
function breakLock(path, staleText) {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== staleText) linkSync(aside, path);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  }
  rmSync(aside, { force: true });
}

function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
