// The same run on the demonstration data by `fastclip train` and by OpenCLIP's trainer.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildDemo, type DemoSummary } from "../../src/data/demo/build.ts";
import { modelConfig } from "../../src/models/presets.ts";
import { openClipPeer } from "./openclip.ts";
import type { Command } from "./process.ts";

export const demoModel = "RN-Ti-64";

export interface DemoRun {
  readonly data: DemoSummary;
  readonly epochs: number;
  readonly threads: number;
  /** Where runs are written. */
  readonly logs: string;
  /** The run's folder in it. */
  readonly name: string;
  readonly loss?: "openclip" | "fastclip-v3";
  /** Processes or threads that load the data; 1 if absent. */
  readonly workers?: number;
}

/** What both are told: OpenCLIP's names of flags are ours too. */
function sharedFlags({ data, epochs, logs, name, workers = 1 }: DemoRun): string[] {
  const flags = {
    "train-data": data.train.pattern,
    precision: "fp32",
    "batch-size": 64,
    epochs,
    lr: 1e-3,
    wd: 0.1,
    warmup: 50,
    workers,
    "log-every-n-steps": 20,
    "save-frequency": 0, // the last epoch alone
    logs,
    name,
  };
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, `${value}`]);
}

/** A line of ours after that step, from 1 to 999, where it is logged. */
export const ourStep = (step: number): RegExp => new RegExp(`\\bstep ${step}/`);

/** A line of either after its first step. */
export const firstStep: Readonly<Record<"ours" | "peer", RegExp>> = { ours: ourStep(1), peer: /Train Epoch: 0 \[/ };

/** Logs every `logEvery`th step, or as often as OpenCLIP does. */
export function ourRun(run: DemoRun, { logEvery }: { logEvery?: number } = {}): Command {
  const main = join(import.meta.dirname, "../../dist/cli/main.js");
  if (!existsSync(main)) throw new Error(`${main} is not there: build it by npm run setup`);
  const own = ["--model", demoModel, "--threads", `${run.threads}`, "--loss", run.loss ?? "openclip"];
  const log = logEvery === undefined ? [] : ["--log-every-n-steps", `${logEvery}`];
  return { program: process.execPath, args: [main, "train", ...sharedFlags(run), ...own, ...log], env: process.env };
}

export function peerRun(run: DemoRun, { tcmalloc }: { tcmalloc: boolean }): Command {
  const config = join(run.logs, "bench-model.json");
  writeFileSync(config, JSON.stringify(modelConfig(demoModel)));
  const { python, env } = openClipPeer({ threads: run.threads, tcmalloc });
  const own = ["--model", "bench-model", "--device", "cpu", "--train-num-samples", `${run.data.train.samples}`];
  const script = join(import.meta.dirname, "train.py");
  return { program: python, args: ["-u", script, config, ...sharedFlags(run), ...own], env };
}

/** Builds the data where it is not there yet. */
export function demoData(directory: string): Promise<DemoSummary> {
  return buildDemo({ directory, onProgress: (line) => console.error(line) });
}
