// The npm packages of the lock file.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readJson } from "./files.mjs";
import { mustRun } from "./process.mjs";

/**
 * Why `npm ci` has to run, or undefined when node_modules holds what package-lock.json names.
 * npm writes node_modules/.package-lock.json last, so an install that was cut off has none or an old one.
 */
export function packagesLack(root) {
  const wanted = readJson(join(root, "package-lock.json"))?.packages ?? {};
  const installed = readJson(join(root, "node_modules/.package-lock.json"))?.packages;
  if (!installed) return "node_modules is not there or not complete";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const has = installed[path];
    // Packages for other systems are optional and stay away.
    if (!has && entry.optional) continue;
    const same = has?.version === entry.version && has?.integrity === entry.integrity;
    if (!same || !existsSync(join(root, path))) return `${path} is not the one in package-lock.json`;
  }
  const extra = Object.keys(installed).find((path) => !(path in wanted));
  return extra && `${extra} is not in package-lock.json`;
}

/** Runs `npm ci`, development packages included whatever NODE_ENV says: the compiler is one of them. */
export async function installPackages(root, build) {
  const log = join(build, "npm-ci.log");
  const npmCi = () => mustRun("npm ci", "npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], { cwd: root, log });
  try {
    await npmCi();
  } catch (error) {
    // When a set-up is killed hard, its npm works on for some seconds and writes into the folders that this one empties.
    if (!/ENOTEMPTY|ENOENT|EEXIST/.test(error.message)) throw error;
    await sleep(10_000);
    await npmCi();
  }
}
