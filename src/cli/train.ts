// `fastclip train`.
import { join } from "node:path";
import { Command } from "commander";
import { loadConfig } from "../train/config/load.ts";
import type { Config } from "../train/config/types.ts";
import { addConfigOptions, configOf, givenFlags } from "./options.ts";

const examples = `
Examples:
  fastclip train --train-data 'shards/{000..099}.tar' --model ViT-B-32 --batch-size 256 --epochs 30
  fastclip train --config run.yaml --loss openclip
  fastclip train --resume runs/first

The run's folder gets config.yaml, metrics.jsonl, checkpoints/, results.json and report.html.`;

export function command(): Command {
  const train = new Command("train").description(
    "Train a CLIP model on WebDataset shards, with FastCLIP's losses or OpenCLIP's. Flags win over the file, the file over the defaults.",
  );
  return addConfigOptions(train)
    .addHelpText("after", examples)
    .action(async () => {
      const config = resumedOrNew(train);
      const { train: run } = await import("../train/run.ts");
      const { folder, evaluation } = await run(config, { stream: process.stdout });
      const { formatResults } = await import("../telemetry/table.ts");
      if (evaluation !== undefined) console.log(formatResults(evaluation.results));
      console.log(`report: ${join(folder, "report.html")}`);
    });
}

/** `--resume RUN` goes on with the settings that the run was saved with; flags given now win over them. */
function resumedOrNew(command: Command): Config {
  const { config, resume } = command.opts<{ config?: string; resume?: string }>();
  if (resume === undefined || config !== undefined) return configOf(command);
  return loadConfig({ file: join(resume, "config.yaml"), flags: givenFlags(command) });
}
