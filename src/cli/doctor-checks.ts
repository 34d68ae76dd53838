// What `fastclip doctor` looks at on the machine itself, without the engine.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { describeEnvironment } from "../telemetry/environment.ts";
import { formatBytes } from "../telemetry/format.ts";

/** One line of the doctor's table. A problem always says how it is mended. */
export type Check =
  | { readonly name: string; readonly status: "ok"; readonly found: string }
  | { readonly name: string; readonly status: "problem"; readonly found: string; readonly mend: string };

const oldestNode = [20, 19] as const;
/** The demonstration data, a run with its checkpoints, and some room. */
const diskNeeded = 2e9;
/** The demonstration run with its loader. */
const memoryNeeded = 2e9;

export function ok(name: string, found: string): Check {
  return { name, status: "ok", found };
}

export function problem(name: string, found: string, mend: string): Check {
  return { name, status: "problem", found, mend };
}

export function checkNode(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  return enough ? ok("node", version) : problem("node", version, `install Node.js ${oldestNode.join(".")} or later`);
}

export function checkFastclip(): Check {
  const { version, git, platform } = describeEnvironment();
  const state = git === null ? "" : `, commit ${git.commit.slice(0, 8)}${git.dirty ? " with changes" : ""}`;
  return ok("fastclip", `${version} on ${platform}${state}`);
}

/** A compiler is needed to build the engine, so without one a built engine is still well. */
export function checkCompiler(engineIsBuilt: boolean, commands: readonly string[] = compilers()): Check {
  for (const command of commands) {
    const version = firstLineOf(command, "--version");
    if (version !== undefined) return ok("compiler", version);
  }
  if (engineIsBuilt) return ok("compiler", "none, but the engine is built already");
  return problem("compiler", "none", "run `npm run setup`: it names the command that installs one");
}

function compilers(): string[] {
  const chosen = process.env["CXX"];
  return chosen === undefined ? ["c++", "g++", "clang++"] : [chosen];
}

export function checkGit(): Check {
  return ok("git", firstLineOf("git", "--version") ?? "none; runs do not record the state of the code");
}

function firstLineOf(command: string, ...args: string[]): string | undefined {
  try {
    const text = execFileSync(command, args, {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text.split("\n")[0]?.trim();
  } catch {
    return undefined;
  }
}

/** Instruction sets that make training faster, by the names that Linux and macOS give them. */
const features: Readonly<Record<string, string>> = {
  avx2: "avx2",
  avx512f: "avx512",
  avx512_bf16: "avx512_bf16",
  amx_bf16: "amx",
  asimd: "neon",
  bf16: "bf16",
  sve: "sve",
  "hw.optional.AdvSIMD": "neon",
  "hw.optional.arm.FEAT_BF16": "bf16",
};

export function checkCpu(flags: readonly string[] = cpuFlags()): Check {
  const has = [...new Set(Object.keys(features).flatMap((flag) => (flags.includes(flag) ? [features[flag]] : [])))];
  const missing = ["avx2", "avx512", "avx512_bf16", "amx"].filter((name) => !has.includes(name));
  const without = process.arch === "x64" && missing.length > 0 ? `; without ${missing.join(", ")}` : "";
  return ok(
    "cpu",
    `${cpus()[0]?.model.trim() ?? "unknown"}: ${has.join(", ") || "no vector features known"}${without}`,
  );
}

/** The features that the processor reports; empty where the system does not tell. */
function cpuFlags(): string[] {
  if (existsSync("/proc/cpuinfo")) {
    const line = readFileSync("/proc/cpuinfo", "utf8").match(/^(?:flags|Features)\s*:\s*(.*)$/m);
    return line?.[1]?.split(/\s+/) ?? [];
  }
  return Object.keys(features).filter((name) => name.startsWith("hw.") && firstLineOf("sysctl", "-n", name) === "1");
}

/** Whether an NVIDIA driver offers a GPU to this process. */
export function nvidiaDevices(): number {
  return existsSync("/dev") ? readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name)).length : 0;
}

/** The cores that this process may really use: a container's share can be smaller than what it sees. */
export function usableCores(): number {
  const file = "/sys/fs/cgroup/cpu.max";
  const [quota = "max", period = "1"] = existsSync(file) ? readFileSync(file, "utf8").trim().split(" ") : [];
  const share = quota === "max" ? Infinity : Number(quota) / Number(period);
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(share)));
}

export function checkDisk(folder: string = process.cwd()): Check {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in ${folder}`;
  if (free >= diskNeeded) return ok("disk", found);
  return problem("disk", found, `free some space: a run needs ${formatBytes(diskNeeded)}`);
}

export function checkMemory(available: number = availableMemory()): Check {
  const found = `${formatBytes(available)} of ${formatBytes(totalmem())} available`;
  if (available >= memoryNeeded) return ok("memory", found);
  return problem("memory", found, `end other programs: the demonstration run needs ${formatBytes(memoryNeeded)}`);
}

/** Memory that can be had without swapping. `freemem` leaves out what the file cache would give back. */
function availableMemory(): number {
  if (!existsSync("/proc/meminfo")) return freemem();
  const line = readFileSync("/proc/meminfo", "utf8").match(/^MemAvailable:\s*(\d+) kB$/m);
  return line ? Number(line[1]) * 1024 : freemem();
}
