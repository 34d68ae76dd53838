// `fastclip data index`.
import { Command } from "commander";
import { paced } from "../../telemetry/paced.ts";
import type { Config } from "../../train/config/types.ts";
import { addDataSettings, configFor } from "./settings.ts";

async function index(config: Config): Promise<void> {
  const { cacheFolder } = await import("../../data/cache.ts");
  const { openDataset } = await import("../../data/dataset.ts");
  const { datasetOptions } = await import("../../train/data.ts");
  const dataset = await openDataset({
    ...datasetOptions(config.data.train, config),
    onFault: ({ message }) => console.error(message),
    onProgress: paced((done: number, total: number) => console.error(`${done} of ${total} shards`)),
  });
  dataset.close();
  const { size, shards, indexed, fingerprint } = dataset;
  console.log(`${size} samples in ${shards.length} shards; ${indexed} indexed now, ${shards.length - indexed} before`);
  console.log(`index files   ${cacheFolder(config.data.cacheDir)}`);
  console.log(`fingerprint   ${fingerprint}`);
}

export function indexCommand(): Command {
  const command = new Command("index").description(
    "Note where the samples of shards lie, so that training can start at once and read them in any order. Only shards that are new or\n" +
      "were changed are read; training does the same on its first use of them. Flags have the meaning that they have in fastclip train.",
  );
  return addDataSettings(command, ["caption-key", "max-bad-rate", "cache-dir", "cache-size", "shuffle"])
    .addHelpText(
      "after",
      "\nExample:\n  fastclip data index 's3://bucket/set/{00000..00999}.tar' --cache-dir /mnt/fast/cache",
    )
    .action((patterns: string[]) => index(configFor(patterns, command)));
}
