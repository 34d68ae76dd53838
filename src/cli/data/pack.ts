// `fastclip data pack`.
import { Command } from "commander";
import { positive, rate } from "./numbers.ts";

interface PackFlags {
  readonly out: string;
  readonly name: string;
  readonly shardSize: number;
  readonly imageColumn?: string;
  readonly captionColumn?: string;
  readonly maxBadRate: number;
}

async function packSource(source: string, { out, imageColumn, captionColumn, ...flags }: PackFlags): Promise<void> {
  const { pack } = await import("../../data/pack/pack.ts");
  const { pattern, shards, samples, faults } = await pack({
    ...flags,
    source,
    directory: out,
    ...(imageColumn !== undefined && { imageColumn }),
    ...(captionColumn !== undefined && { captionColumn }),
    onFault: ({ message }) => console.error(message),
  });
  const left = Object.entries(faults).map(([cause, count]) => `${count} ${cause}`);
  console.log(
    `${samples} samples packed now, ${shards} shards in all${left.length > 0 ? `; left out: ${left.join(", ")}` : ""}`,
  );
  console.log(`--train-data '${pattern}'`);
}

export function packCommand(): Command {
  return new Command("pack")
    .description(
      "Pack pictures and captions into WebDataset shards, for fastclip train. The source is a folder (captions in NAME.txt beside\n" +
        "NAME.jpg, or sub-folders as labels) or a table (.csv, .tsv, .jsonl) of paths and captions. A pack that was stopped goes on.",
    )
    .argument("<source>", "folder, .csv, .tsv or .jsonl")
    .requiredOption("--out <dir>", "folder of the shards")
    .option("--name <name>", "what the shards' names begin with", "train")
    .option("--shard-size <samples>", "rows of the source in one shard", positive, 1000)
    .option("--image-column <column>", "column of the pictures' paths (default: filepath, image, path and the like)")
    .option("--caption-column <column>", "column of the captions (default: title, caption, text and the like)")
    .option(
      "--max-bad-rate <share>",
      "rows that cannot be packed are named and left out; above this share it stops",
      rate,
      0.01,
    )
    .addHelpText("after", "\nExample:\n  fastclip data pack pictures.csv --out data/pictures")
    .action(packSource);
}
