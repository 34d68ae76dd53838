// `fastclip train`.
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { ConfigError } from "../train/config/errors.ts";
import { loadConfig } from "../train/config/load.ts";
import type { Config } from "../train/config/types.ts";
import { stoppedStatus } from "../train/stop.ts";
import { addConfigOptions, configOf, givenFlags } from "./options.ts";

const examples = `
Examples:
  fastclip train --train-data 'shards/{000..099}.tar' --model ViT-B-32 --batch-size 256 --epochs 30
  fastclip train --config run.yaml --loss openclip
  fastclip train --resume runs/first
  fastclip train --config recipes/medium-cc3m/fastclip-v3.yaml --dry-run --world-size 8

The run's folder gets config.yaml, metrics.jsonl, checkpoints/, results.json and report.html.`;

export function command(): Command {
  const train = new Command("train").description(
    "Train a CLIP model on WebDataset shards, with FastCLIP's losses or OpenCLIP's. Flags win over the file, the file over the defaults.",
  );
  return addConfigOptions(train)
    .option(
      "--dry-run",
      "Print the plan of the run (steps, schedules, memory, communication, settings), and do not train",
    )
    .option("--world-size <number>", "With --dry-run: processes that the plan is made for (default: 1)", processCount)
    .addHelpText("after", examples)
    .action(async ({ dryRun, worldSize }: { dryRun?: boolean; worldSize?: number }) => {
      const config = resumedOrNew(train);
      if (dryRun) return console.log(await planOf(config, worldSize));
      if (worldSize !== undefined) throw new ConfigError(["--world-size: belongs to --dry-run"]);
      const { train: run } = await import("../train/run.ts");
      const { folder, rank, evaluation, stoppedBy } = await run(config, { stream: process.stdout });
      if (stoppedBy !== undefined) process.exitCode = stoppedStatus;
      if (rank !== 0) return;
      if (stoppedBy !== undefined) return console.log(`${stoppedBy}: go on with fastclip train --resume ${folder}`);
      const { formatResults } = await import("../telemetry/table.ts");
      if (evaluation !== undefined) console.log(formatResults(evaluation.results));
      console.log(`report: ${join(folder, "report.html")}`);
    });
}

function processCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1) return count;
  throw new InvalidArgumentError("Expected a whole number of at least 1.");
}

async function planOf(config: Config, processes = 1): Promise<string> {
  const { createPlan, findDataSize, formatPlan } = await import("../train/plan/index.ts");
  return formatPlan(createPlan(config, { data: await findDataSize(config), processes }));
}

/** `--resume RUN` goes on with the settings that the run was saved with; flags given now win over them. */
function resumedOrNew(command: Command): Config {
  const { config, resume } = command.opts<{ config?: string; resume?: string }>();
  if (resume === undefined || config !== undefined) return configOf(command);
  return loadConfig({ file: join(resume, "config.yaml"), flags: givenFlags(command) });
}
