// `fastclip data demo`.
import { Command } from "commander";
import { wholeNumber } from "./numbers.ts";

interface DemoFlags {
  readonly out: string;
  readonly size: number;
  readonly shardSize: number;
  readonly seed: number;
}

async function demo({ out, size, shardSize, seed }: DemoFlags): Promise<void> {
  const { buildDemo } = await import("../../data/demo/build.ts");
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

export function demoCommand(): Command {
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
