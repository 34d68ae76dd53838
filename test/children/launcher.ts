// A launcher with the options that its first argument gives as JSON. See src/distributed/launcher/*.test.ts.
import { fileURLToPath } from "node:url";
import { launch } from "../../src/distributed/launcher/launch.ts";
import type { LaunchOptions } from "../../src/distributed/launcher/options.ts";

const [options = "{}", task = ""] = process.argv.slice(2);
const rank = fileURLToPath(new URL("./rank.ts", import.meta.url));

try {
  process.exitCode = await launch({
    processes: 2,
    cluster: undefined,
    maxRestarts: 0,
    name: undefined,
    ...(JSON.parse(options) as Partial<LaunchOptions>),
    command: [...process.execArgv, rank, task],
  });
} catch (error) {
  console.error(`fastclip: ${(error as Error).message}`);
  process.exitCode = 1;
}
