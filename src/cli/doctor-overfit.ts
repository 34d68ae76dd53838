// `fastclip doctor --overfit`: does training learn at all, here and with these settings?
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { loadConfig } from "../train/config/load.ts";
import type { Values } from "../train/config/tree.ts";
import type { Config } from "../train/config/types.ts";
import { type Check, ok, problem } from "./doctor-checks.ts";
import { writeDrawings } from "./doctor-pictures.ts";
import { configOf, givenFlags } from "./options.ts";

/** The quickstart's model, which takes a second or two. */
const small: Values = {
  model: { name: "RN-Ti-64", precision: "fp32" },
  loss: { temperature: { init: 0.05 } },
  optim: { lr: 1e-3, weightDecay: 0.1 },
};

/**
 * Learns one batch by heart for each loss: FastCLIP's and OpenCLIP's with a small model, or that of the user's own settings where
 * the command line has any. Where no data is set, it has drawings of its own.
 */
export async function checkOverfit(command: Command): Promise<Check[]> {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-doctor-"));
  try {
    const drawings = { data: { train: [await writeDrawings(folder)] } };
    const checks: Check[] = [];
    for (const config of configsOf(command, drawings)) checks.push(await checkOne(config));
    return checks;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function configsOf(command: Command, data: Values): Config[] {
  const { config } = command.opts<{ config?: string }>();
  if (config !== undefined || Object.keys(givenFlags(command)).length > 0) return [configOf(command, data)];
  return ["fastclip-v3", "openclip"].map((loss) => loadConfig({ flags: { loss }, overrides: { ...small, ...data } }));
}

async function checkOne(config: Config): Promise<Check> {
  const { overfit } = await import("../train/overfit.ts");
  const name = `overfit ${config.loss.kind}`;
  const { found, mend } = await overfit(config, {
    onStep: everyFewSeconds((line) => console.error(`${name}: ${line}`)),
  });
  return mend === undefined ? ok(name, found) : problem(name, found, mend);
}

const silence = 5000; // milliseconds

/** A large model takes its time: says how far it has come. */
function everyFewSeconds(say: (line: string) => void): (step: number, infoNce: number) => void {
  let last = performance.now();
  return (step, infoNce) => {
    if (performance.now() - last < silence) return;
    last = performance.now();
    say(`step ${step}, InfoNCE ${infoNce.toFixed(3)}`);
  };
}
