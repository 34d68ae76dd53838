// Starts the processes of both sides.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { LineProcess, PeerProcess } from "../peer.ts";
import { openClipPeer } from "../support/openclip.ts";
import { common } from "../support/trainer.ts";
import type { Case } from "./messages.ts";

/** What OpenCLIP runs with beyond its own defaults; "plain" is none of it. */
const settings = ["tcmalloc", "fused", "compile"] as const;
type Setting = (typeof settings)[number];

/** "plain", or settings joined by "+": tcmalloc preloaded, AdamW(fused=True), --torchcompile. */
export function parsePeer(name: string): ReadonlySet<Setting> {
  if (name === "plain") return new Set();
  const parts = name.split("+");
  const unknown = parts.find((part) => !settings.includes(part as Setting));
  if (unknown !== undefined) throw new Error(`--peers: expected plain or ${settings.join("+")}, not "${unknown}"`);
  return new Set(parts as Setting[]);
}

const here = import.meta.dirname;

/** `env` is what the process has beyond this one's environment. */
export function startOurs(folder: string, { env: more, ...options }: Case & { env?: NodeJS.ProcessEnv }): LineProcess {
  const command = ["--import", "tsx", join(here, "ours.ts"), JSON.stringify({ folder, ...options })];
  const env = { ...process.env, OMP_NUM_THREADS: `${options.threads}`, ...more };
  return new LineProcess(spawn(process.execPath, command, { env, stdio: ["pipe", "pipe", "inherit"] }), "our side");
}

export function startPeer(
  folder: string,
  { name, precision, threads }: Pick<Case, "precision" | "threads"> & { name: string },
): LineProcess {
  const peer = parsePeer(name);
  const { lr, weightDecay, seed } = common;
  const options = { folder, threads, precision, lr, weight_decay: weightDecay, seed };
  const flags = { fused: peer.has("fused"), compiled: peer.has("compile") };
  const python = openClipPeer({ threads, tcmalloc: peer.has("tcmalloc") });
  return new PeerProcess(python, join(here, "peer.py"), [JSON.stringify({ ...options, ...flags })]);
}
