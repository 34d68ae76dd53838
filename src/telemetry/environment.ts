// What a run was made with: versions, machine and state of the code. Saved beside its metrics.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";

export interface Environment {
  /** fastclip's version. */
  readonly version: string;
  /** State of the code if it is a git checkout; `dirty` when it holds changes that are in no commit. */
  readonly git: { readonly commit: string; readonly dirty: boolean } | null;
  readonly node: string;
  /** "linux-x64". */
  readonly platform: string;
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** When this process started, ISO 8601. */
  readonly startedAt: string;
}

/** Never throws: what cannot be found out is "unknown" or null. */
export function describeEnvironment(): Environment {
  const root = packageRoot();
  return {
    version: packageVersion(root),
    git: root === undefined ? null : gitState(root),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() || "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    startedAt: new Date(Date.now() - process.uptime() * 1000).toISOString(),
  };
}

/** The nearest folder above this file with a package.json: the same from `src/` and from `dist/`. */
function packageRoot(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function packageVersion(root: string | undefined): string {
  try {
    const { version } = JSON.parse(readFileSync(join(root ?? "", "package.json"), "utf8")) as { version?: unknown };
    return typeof version === "string" ? version : "unknown";
  } catch {
    return "unknown";
  }
}

/** Asks only a checkout of fastclip itself: installed in `node_modules`, git would answer for the repository around it. */
export function gitState(root: string): Environment["git"] {
  if (!existsSync(join(root, ".git"))) return null;
  try {
    return { commit: git(root, "rev-parse", "HEAD"), dirty: git(root, "status", "--porcelain") !== "" };
  } catch {
    return null;
  }
}

function git(root: string, ...args: string[]): string {
  return execFileSync("git", ["-C", root, ...args], {
    encoding: "utf8",
    timeout: 5000,
    stdio: ["ignore", "pipe", "ignore"],
    // `status` would otherwise refresh the index file, and so disturb a git command that runs at the same time.
    env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" },
  }).trim();
}
