import { Command, InvalidArgumentError } from "commander";

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

interface DemoFlags {
  readonly out: string;
  readonly size: number;
  readonly shardSize: number;
  readonly seed: number;
}

async function demo({ out, size, shardSize, seed }: DemoFlags): Promise<void> {
  const { buildDemo } = await import("../data/demo/build.ts");
  const { train, heldOutStyle, classes, reused, seconds } = await buildDemo({
    directory: out,
    size,
    shardSize,
    seed,
    onProgress: (line) => console.error(line),
  });
  console.log(reused ? "The data set was there already." : `Built in ${seconds.toFixed(1)} s.`);
  console.log(`training      ${train.pattern} (${train.samples} samples)`);
  console.log(`held out      ${heldOutStyle.pattern} (${heldOutStyle.samples} samples)`);
  console.log(`class names   ${classes}`);
}

function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Build the demonstration data set: emoji of several vendors with their names as captions, as WebDataset shards.\n" +
        "The drawings of one vendor are held out for evaluation. Licences are written beside the shards.",
    )
    .option("--out <dir>", "folder to build it in", "data/demo")
    .option("--size <pixels>", "width and height of a picture", wholeNumber, 72)
    .option("--shard-size <samples>", "samples in one shard", wholeNumber, 1000)
    .option("--seed <number>", "order of the samples, and which captions carry keywords", wholeNumber, 0)
    .addHelpText("after", "\nExample:\n  fastclip data demo --out /tmp/demo")
    .action(demo);
}

interface PackFlags {
  readonly out: string;
  readonly name: string;
  readonly shardSize: number;
  readonly imageColumn?: string;
  readonly captionColumn?: string;
  readonly maxBadRate: number;
}

async function packSource(source: string, { out, imageColumn, captionColumn, ...flags }: PackFlags): Promise<void> {
  const { pack } = await import("../data/pack/pack.ts");
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

function rate(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("Expected a number from 0 to 1.");
}

function packCommand(): Command {
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

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value >= 1) return value;
  throw new InvalidArgumentError("Expected a whole number of at least 1.");
}

/** `fastclip data`. */
export function command(): Command {
  return new Command("data").description("Data sets").addCommand(demoCommand()).addCommand(packCommand());
}
