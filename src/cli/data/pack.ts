// `fastclip data pack`.
import { Command } from "commander";
import { positive, rate } from "./numbers.ts";

interface PackFlags {
  readonly out: string;
  readonly name: string;
  readonly shardSize: number;
  readonly imageColumn?: string;
  readonly captionColumn?: string;
  readonly workers: number;
  readonly downloads: number;
  readonly maxBadRate: number;
}

async function packSource(pattern: string, flags: PackFlags): Promise<void> {
  const { out, imageColumn, captionColumn, ...settings } = flags;
  const { openPackSource } = await import("../../data/pack/open-source.ts");
  const { pack } = await import("../../data/pack/pack.ts");
  const { paced } = await import("../../telemetry/paced.ts");
  const source = await openPackSource(pattern, { imageColumn, captionColumn });
  const packed = await pack(source, {
    ...settings,
    directory: out,
    onFault: ({ message }) => console.error(message),
    onProgress: paced(({ shards, rows }) => console.error(`${rows} rows in ${shards} shards so far`)),
  });
  const left = Object.entries(packed.faults).map(([cause, count]) => `${count} ${cause}`);
  const leftOut = left.length > 0 ? `; left out: ${left.join(", ")}` : "";
  console.log(`${packed.samples} samples packed now, ${packed.shards.length} shards in all${leftOut}`);
  console.log(`--train-data '${packed.pattern}'`);
}

export function packCommand(): Command {
  return new Command("pack")
    .description(
      "Pack pictures and captions into WebDataset shards, for fastclip train. The source is a folder (captions in NAME.txt beside\n" +
        "NAME.jpg, or sub-folders as labels), a table (.csv, .tsv, .jsonl, .parquet) with pictures' paths, URLs or bytes and captions, or\n" +
        "shards (.tar), to cut them anew; tables and shards may be URLs and patterns. A pack that was stopped goes on.",
    )
    .argument("<source>", "folder, .csv, .tsv, .jsonl, .parquet or .tar, or a pattern of them")
    .requiredOption("--out <dir>", "folder of the shards")
    .option("--name <name>", "what the shards' names begin with", "train")
    .option("--shard-size <samples>", "rows of the source in one shard", positive, 1000)
    .option("--image-column <column>", "column of the pictures (default: filepath, image, path, url and the like)")
    .option(
      "--caption-column <column>",
      "column of the captions (default: title, caption, text and the like); of shards, the key of them in the JSON (default: the .txt)",
    )
    .option("--workers <shards>", "shards packed at once", positive, 4)
    .option("--downloads <pictures>", "pictures read or downloaded at once, by all workers together", positive, 64)
    .option(
      "--max-bad-rate <share>",
      "rows that cannot be packed are named and left out; above this share it stops",
      rate,
      0.01,
    )
    .addHelpText(
      "after",
      "\nExamples:\n  fastclip data pack pictures.csv --out data/pictures\n" +
        "  fastclip data pack 'hub/train-*.parquet' --out data/hub",
    )
    .action(packSource);
}
