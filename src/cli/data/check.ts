// `fastclip data check`.
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { Command } from "commander";
import { paced } from "../../telemetry/paced.ts";
import type { Config } from "../../train/config/types.ts";
import { addDataSettings, configFor } from "./settings.ts";

interface CheckFlags {
  readonly list?: string;
  readonly json?: string;
}

async function check(config: Config, { list, json }: CheckFlags): Promise<void> {
  const { checkData } = await import("../../data/check/check.ts");
  const { formatReport } = await import("../../data/check/format.ts");
  const { modelConfig } = await import("../../models/presets.ts");
  const { datasetOptions } = await import("../../train/data.ts");
  const { resolveBatch } = await import("../../train/batch.ts");
  const { vision_cfg, text_cfg } = modelConfig(config.model.name);
  const { train, workers, maxBadRate } = config.data;
  const file = list === undefined ? undefined : openSync(list, "w");
  const report = await checkData({
    ...datasetOptions(train, config),
    workers,
    maxBadRate,
    batchSize: resolveBatch(config).batchSize,
    contextLength: text_cfg.context_length,
    imageSize: vision_cfg.image_size,
    onFault: (fault) => file !== undefined && writeSync(file, `${JSON.stringify(fault)}\n`),
    onProgress: paced((done: number, total: number) => console.error(`${done} of ${total} samples`)),
  });
  if (file !== undefined) closeSync(file);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(formatReport(report));
  if (report.problems.length > 0) process.exitCode = 1;
}

export function checkCommand(): Command {
  const command = new Command("check").description(
    "Read, decode and tokenize all samples of WebDataset shards, and report what is damaged, what occurs twice, and what captions and\n" +
      "pictures are like. The exit status is 1 where training would refuse the data. Flags have the meaning that they have in fastclip train.",
  );
  return addDataSettings(command, ["caption-key", "workers", "max-bad-rate", "batch-size", "accum-freq", "model"])
    .option("--list <file>", "write all that is left out there, as JSON lines: cause, shard, key, message")
    .option("--json <file>", "write all figures there")
    .addHelpText("after", "\nExample:\n  fastclip data check 'shards/{000..099}.tar' --model ViT-B-32 --workers 8")
    .action((patterns: string[], flags: CheckFlags) => check(configFor(patterns, command), flags));
}
