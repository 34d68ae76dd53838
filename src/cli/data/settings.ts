// The settings of a run, for commands that look at its data.
import type { Command } from "commander";
import { loadConfig } from "../../train/config/load.ts";
import type { Config } from "../../train/config/types.ts";
import { addConfigFlags, givenFlags } from "../options.ts";

/** Adds the shards as argument, `--config FILE`, and the flags of some settings. */
export function addDataSettings(command: Command, flags: readonly string[]): Command {
  return addConfigFlags(
    command.argument("[pattern...]", "shards: paths with braces and globs (default: data.train of the --config file)"),
    flags,
  );
}

/** The configuration that the command line says; the patterns given take the place of those in the file. */
export function configFor(patterns: readonly string[], command: Command): Config {
  const { config: file } = command.opts<{ config?: string }>();
  const shards = patterns.length > 0 ? { "train-data": [...patterns] } : {};
  return loadConfig({ file, flags: { ...givenFlags(command), ...shards } });
}
