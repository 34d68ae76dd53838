// `fastclip quickstart`: the demonstration from nothing to a report, in one command.
import { join } from "node:path";
import { Command } from "commander";
import { buildDemo, type DemoSummary } from "../data/demo/build.ts";
import { formatResults } from "../telemetry/table.ts";
import type { Values } from "../train/config/tree.ts";
import { train } from "../train/run.ts";
import { stoppedStatus } from "../train/stop.ts";
import { addConfigOptions, configOf } from "./options.ts";
import { addProfileOption, type ProfileFlags } from "./profile.ts";
import { setupSeconds } from "./setup-seconds.ts";

const description = `Build a data set of real captioned pictures (emoji of several vendors, with their names), train a small CLIP model on it,
evaluate it on the drawings of a vendor that it never saw, and write a report. Every flag of \`fastclip train\` works here too:
--loss openclip runs the baseline, equal in everything else.`;

export function command(): Command {
  const quickstart = new Command("quickstart")
    .description(description)
    .option("--data-dir <dir>", "folder of the data set", "data/demo");
  const withOptions = addProfileOption(addConfigOptions(quickstart));
  return withOptions.action(async ({ dataDir, profile }: { dataDir: string } & ProfileFlags) => {
    const data = await buildDemo({ directory: dataDir, onProgress: (line) => console.log(line) });
    const config = configOf(quickstart, demoSettings(data));
    const times = { ...setupSeconds(), data: data.seconds };
    const { folder, evaluation, stoppedBy } = await train(config, {
      stream: process.stdout,
      times,
      notes: demoNotes(data),
      profile,
    });
    if (stoppedBy !== undefined) {
      process.exitCode = stoppedStatus;
      return console.log(`${stoppedBy}: go on with fastclip train --resume ${folder}`);
    }
    console.log(`\n${formatResults(evaluation?.results ?? [])}`);
    console.log(`\nreport: ${join(folder, "report.html")}`);
  });
}

/** Settings that suit 64-pixel drawings and a few minutes on two cores; docs/quickstart.md says how they were found. */
export function demoSettings(data: DemoSummary): Values {
  return {
    model: { name: "RN-Ti-64", precision: "fp32" },
    data: {
      train: [data.train.pattern],
      val: [data.heldOutStyle.pattern],
      aug: {
        scale: [0.7, 1],
        affine: { degrees: 10, translate: [0.06, 0.06], scale: [0.9, 1.1] },
        colorJitter: { brightness: 0.2, contrast: 0, saturation: 0, hue: 0 },
      },
    },
    run: { batchSize: 64, epochs: 10, logEvery: 20, evalFrequency: 0, saveFrequency: 0 },
    loss: { temperature: { init: 0.05 } },
    optim: { lr: 1e-3, weightDecay: 0.1, warmup: 50 },
    eval: { zeroShot: { classes: data.classes }, split: "held-out style" },
  };
}

function demoNotes({ record }: DemoSummary): string[] {
  const often = Object.entries(record.falseNegatives).map(
    ([batchSize, { sampleShare }]) =>
      `at batch ${batchSize}, ${(sampleShare * 100).toFixed(1)} % of the samples have another drawing of their concept beside them`,
  );
  return [
    "The pictures are drawings on white, one object each, and captions are names and keywords: the figures say nothing about photographs.",
    `Drawings of one concept in a batch count as each other's negatives: ${often.join("; ")}.`,
    "Pictures of other licences than this project's: ATTRIBUTION.md beside the shards names each set, its authors and its licence.",
  ];
}
