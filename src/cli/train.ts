// `fastclip train`.
import { join } from "node:path";
import { Command } from "commander";
import { restartProblem } from "../distributed/launcher/restart.ts";
import { ConfigError } from "../train/config/errors.ts";
import { loadConfig } from "../train/config/load.ts";
import type { Config } from "../train/config/types.ts";
import type { RunSummary } from "../train/run.ts";
import { stoppedStatus } from "../train/stop.ts";
import { addLaunchOptions, atLeast, isFirst, type LaunchFlags, launchOptions, processesOf } from "./launch.ts";
import { addConfigOptions, configOf, givenFlags } from "./options.ts";
import { addProfileOption, type ProfileFlags } from "./profile.ts";

const examples = `
Examples:
  fastclip train --train-data 'shards/{000..099}.tar' --model ViT-B-32 --batch-size 256 --epochs 30
  fastclip train --config run.yaml --loss openclip
  fastclip train --resume runs/first
  fastclip train --config run.yaml --profile
  fastclip train --config run.yaml --nproc-per-node 4 --max-restarts 3
  fastclip train --config run.yaml --nproc-per-node 8 --nnodes 2 --node-rank 0 --rdzv gpu-a:29400
  fastclip train --config recipes/medium-cc3m/fastclip-v3.yaml --dry-run --world-size 8

The run's folder gets config.yaml, metrics.jsonl, checkpoints/, results.json and report.html.`;

export function command(): Command {
  const train = new Command("train").description(
    "Train a CLIP model on WebDataset shards, with FastCLIP's losses or OpenCLIP's. Flags win over the file, the file over the defaults.",
  );
  return addProfileOption(addLaunchOptions(addConfigOptions(train)))
    .option(
      "--dry-run",
      "Print the plan of the run (steps, schedules, memory, communication, settings), and do not train",
    )
    .option("--world-size <number>", "With --dry-run: processes that the plan is made for (default: 1)", atLeast(1))
    .addHelpText("after", examples)
    .action(async (flags: TrainFlags) => {
      const config = resumedOrNew(train);
      if (flags.dryRun && flags.profile !== undefined)
        throw new ConfigError(["--profile: takes its figures from steps, and --dry-run makes none"]);
      if (flags.dryRun) return console.log(await planOf(config, plannedProcesses(flags)));
      if (flags.worldSize !== undefined) throw new ConfigError(["--world-size: belongs to --dry-run"]);
      process.exitCode = (await launchAll(config, flags)) ?? (await trainHere(config, flags));
    });
}

interface TrainFlags extends LaunchFlags, ProfileFlags {
  readonly dryRun?: boolean;
  readonly worldSize?: number;
}

function plannedProcesses(flags: TrainFlags): number {
  const launched = processesOf(flags);
  if (launched !== undefined && flags.worldSize !== undefined)
    throw new ConfigError([
      `--world-size: --nproc-per-node and --nnodes say already that there are ${launched} processes`,
    ]);
  return launched ?? flags.worldSize ?? 1;
}

/** Starts the processes that the flags ask for and returns their exit status; undefined where this one is to train. */
async function launchAll(config: Config, flags: LaunchFlags): Promise<number | undefined> {
  const options = launchOptions(flags, { environment: process.env, joinTimeout: config.distributed.joinTimeout });
  if (options === undefined) return undefined;
  const { defaultName, locateRun } = await import("../train/folder.ts");
  const { run } = config;
  const name = run.resume === undefined || run.resume === "auto" ? (run.name ?? defaultName(config)) : undefined;
  // A folder with an older run is refused before the first start: later ones go on with what they find there.
  if (isFirst(options, process.env))
    locateRun(name === undefined ? config : { ...config, run: { ...run, name } }, { isRestarted: false });
  const { launch } = await import("../distributed/launcher/launch.ts");
  return launch({ ...options, name });
}

async function trainHere(config: Config, { profile }: ProfileFlags): Promise<number> {
  const { tether } = await import("../distributed/launcher/tether.ts");
  tether(process.env);
  const problem = restartProblem(process.env, config.run);
  if (problem !== undefined) throw new ConfigError([problem]);
  const { train: run } = await import("../train/run.ts");
  const { folder, rank, evaluation, stoppedBy } = await run(config, { stream: process.stdout, profile });
  if (rank === 0) await tellEnd({ folder, evaluation, stoppedBy });
  return stoppedBy === undefined ? 0 : stoppedStatus;
}

async function tellEnd({
  folder,
  evaluation,
  stoppedBy,
}: Pick<RunSummary, "folder" | "evaluation" | "stoppedBy">): Promise<void> {
  if (stoppedBy !== undefined) return console.log(`${stoppedBy}: go on with fastclip train --resume ${folder}`);
  const { formatResults } = await import("../telemetry/table.ts");
  if (evaluation !== undefined) console.log(formatResults(evaluation.results));
  console.log(`report: ${join(folder, "report.html")}`);
}

async function planOf(config: Config, processes: number): Promise<string> {
  const { createPlan, findDataSize, formatPlan } = await import("../train/plan/index.ts");
  return formatPlan(createPlan(config, { data: await findDataSize(config), processes }));
}

/** `--resume RUN` goes on with the settings that the run was saved with; flags given now win over them. */
function resumedOrNew(command: Command): Config {
  const { config, resume } = command.opts<{ config?: string; resume?: string }>();
  if (resume === undefined || resume === "auto" || config !== undefined) return configOf(command);
  return loadConfig({ file: join(resume, "config.yaml"), flags: givenFlags(command) });
}
