import { ConfigError } from "./errors.ts";
import { readConfigFile } from "./file.ts";
import { defaultsLayer, type FlagValues, fileLayer, flagsLayer, type Layer } from "./layers.ts";
import { completed, layOver } from "./merge.ts";
import { type Origin, sentenceOf, sentencesOf } from "./problems.ts";
import { contradictions } from "./rules.ts";
import { configSchema, sections } from "./schema.ts";
import { configTree, type Values, valueAt } from "./tree.ts";
import type { Config } from "./types.ts";

export interface ConfigSources {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  /** Flags that were given, by name without dashes, as the command line has them: `{ "batch-size": "64" }`. */
  readonly flags?: FlagValues;
  /** What a command puts in place of the schema's defaults, in the form of the file. The user's file and flags still win. */
  readonly overrides?: Values;
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const item of Object.values(value)) frozen(item);
  return Object.freeze(value);
}

/** The sections that can be read on their own, whatever is wrong with the others. */
function soundSections(merged: unknown): Partial<Config> {
  const sound = Object.entries(sections).flatMap(([name, schema]) => {
    const { success, data } = schema.safeParse(valueAt(merged, [name]));
    return success ? [[name, data] as const] : [];
  });
  return Object.fromEntries(sound);
}

function parsed(merged: unknown, layers: readonly Layer[]): Config {
  const origin: Origin = { merged, layers };
  const { success, data, error } = configSchema.safeParse(merged);
  const problems = [
    ...(error?.issues ?? []).flatMap((issue) => sentencesOf(issue, origin)),
    ...contradictions(data ?? soundSections(merged)).map((contradiction) => sentenceOf(contradiction, origin)),
  ];
  if (!success || problems.length > 0) throw new ConfigError(problems);
  return data;
}

/**
 * The configuration of a run: flags over the file, the file over the defaults, checked as a whole and frozen.
 * Throws ConfigError that names every problem at once, each by its flag or by its line in the file.
 */
export function loadConfig({ file, flags = {}, overrides = {} }: ConfigSources): Config {
  const layers = [
    defaultsLayer(overrides),
    ...(file === undefined ? [] : [fileLayer(readConfigFile(file))]),
    flagsLayer(flags),
  ];
  const merged = layers.reduce<unknown>((lower, { value }) => layOver(configTree, lower, value), {});
  return frozen(parsed(completed(configTree, merged), layers));
}
