// `fastclip eval CHECKPOINT`.
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { readPlace } from "../distributed/environment.ts";
import { withGroup } from "../distributed/with-group.ts";
import { formatResults } from "../telemetry/table.ts";
import { evaluateCheckpoint } from "../train/evaluate-checkpoint.ts";
import { addConfigOptions, givenFlags } from "./options.ts";

const examples = `
Examples:
  fastclip eval runs/first                                            its newest checkpoint, on the data it was evaluated on
  fastclip eval runs/first --val-data 'test-{00..03}.tar' --zeroshot-classes names.txt
  torchrun --nproc-per-node 8 --no-python fastclip eval runs/first    eight processes share the work`;

export function command(): Command {
  const evaluation = new Command("eval")
    .description("Measure zero-shot classification and retrieval of a trained model.")
    .argument("<run>", "folder of a run, or of one of its checkpoints")
    .option("--json <file>", "write the figures there as well")
    .option("--no-ema", "take the last weights also where their moving average was saved");
  return addConfigOptions(evaluation, ["data", "eval"])
    .addHelpText("after", examples)
    .action(async (path: string, { json, ema }: { json?: string; ema: boolean }) => {
      const flags = givenFlags(evaluation);
      await withGroup({ place: readPlace(process.env) }, async (group) => {
        const { results, seconds } = await evaluateCheckpoint(path, { flags, averaged: ema, group });
        if (group.rank > 0) return;
        console.log(formatResults(results));
        if (json !== undefined) writeFileSync(json, `${JSON.stringify({ results, seconds }, null, 2)}\n`);
      });
    });
}
