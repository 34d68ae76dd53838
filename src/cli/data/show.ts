// `fastclip data show`.
import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Sheet } from "../../data/show/sheet.ts";
import type { Config } from "../../train/config/types.ts";
import { positive, wholeNumber } from "./numbers.ts";
import { addDataSettings, configFor } from "./settings.ts";

interface ShowFlags {
  readonly out: string;
  readonly count: number;
  readonly epoch: number;
  readonly augmentations: number;
}

async function show(config: Config, { out, ...flags }: ShowFlags): Promise<void> {
  const { makeSheet } = await import("../../data/show/sheet.ts");
  const { modelConfig } = await import("../../models/presets.ts");
  const { mixOf, openConfigured, orderOf, trainImage } = await import("../../train/data.ts");
  const model = modelConfig(config.model.name);
  const onFault = ({ message }: { message: string }): void => console.error(message);
  const dataset = await openConfigured(config.data.train, { config, onFault });
  try {
    const sheet = await makeSheet({
      ...flags,
      dataset,
      image: trainImage(config, model),
      contextLength: model.text_cfg.context_length,
      seed: config.run.seed,
      order: orderOf(dataset, config),
      mix: mixOf(dataset, config),
      onFault,
    });
    if (sheet.cards.length === 0) throw new Error("none of the samples can be shown");
    writeFileSync(out, await drawSheet(sheet, out));
    console.log(`${sheet.cards.length} samples: ${out}`);
  } finally {
    dataset.close();
  }
}

async function drawSheet(sheet: Sheet, out: string): Promise<string | Buffer> {
  if (isPng(out)) return (await import("../../data/show/png.ts")).sheetPng(sheet);
  return (await import("../../data/show/html.ts")).sheetHtml(sheet);
}

function isPng(path: string): boolean {
  return extname(path).toLowerCase() === ".png";
}

function sheetPath(path: string): string {
  if (isPng(path) || /^\.html?$/i.test(extname(path))) return path;
  throw new InvalidArgumentError("Expected a name that ends in .html or .png.");
}

export function showCommand(): Command {
  const command = new Command("show").description(
    "Write a contact sheet of samples as the model gets them in training: the pictures cropped, augmented and resized, the captions\n" +
      "cleaned and cut. They are the first samples of an epoch of the run that fastclip train makes of the same settings.",
  );
  return addDataSettings(command, ["caption-key", "max-bad-rate", "aug-", "model", "seed"])
    .option("--out <file>", "the sheet, .html or .png", sheetPath, "samples.html")
    .option("--count <samples>", "samples on it", positive, 24)
    .option("--epoch <number>", "the epoch that they are taken from, from 0", wholeNumber, 0)
    .option("--augmentations <number>", "show each sample as it comes in so many epochs", positive, 1)
    .addHelpText("after", "\nExample:\n  fastclip data show --config runs/first/config.yaml --augmentations 6")
    .action((patterns: string[], flags: ShowFlags) => show(configFor(patterns, command), flags));
}
