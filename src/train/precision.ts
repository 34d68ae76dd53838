// Which arithmetic the towers use.
import { readFileSync } from "node:fs";
import type { Config } from "./config/types.ts";
import type { Precision } from "./encode.ts";

/** "auto" is bfloat16 where the CPU has instructions for it: without them autocast is slower than float32. */
export function resolvePrecision(setting: Config["model"]["precision"]): Precision {
  if (setting !== "auto") return setting;
  return hasBfloat16() ? "amp_bf16" : "fp32";
}

function hasBfloat16(): boolean {
  if (process.platform !== "linux") return false;
  return /\b(avx512_bf16|amx_bf16|bf16)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
}
