import type { z } from "zod";
import { ConfigError } from "./errors.ts";
import { fieldAtPath } from "./fields.ts";
import { readConfigFile } from "./file.ts";
import { defaultsLayer, type FlagValues, fileLayer, flagsLayer, type Layer } from "./layers.ts";
import { completed, layOver } from "./merge.ts";
import { type Origin, sentenceOf, sentencesOf } from "./problems.ts";
import { type Contradiction, contradictions } from "./rules.ts";
import { configSchema, sections } from "./schema.ts";
import { configTree, isMap, type Values, valueAt } from "./tree.ts";
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

type Path = readonly PropertyKey[];

/** The settings that an issue is about. */
function brokenPaths(issue: z.core.$ZodIssue): Path[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => [...issue.path, key]);
  return [fieldAtPath(issue.path)?.path ?? issue.path];
}

function without(value: unknown, [key, ...rest]: Path): unknown {
  if (!isMap(value)) return value;
  const entries = Object.entries(value);
  if (rest.length === 0) return Object.fromEntries(entries.filter(([name]) => name !== key));
  return Object.fromEntries(entries.map(([name, item]) => [name, name === key ? without(item, rest) : item]));
}

/** What contradicts itself among the settings that are sound one by one, whatever is wrong with the others. */
function soundContradictions(merged: unknown, issues: readonly z.core.$ZodIssue[]): Contradiction[] {
  const broken = issues.flatMap(brokenPaths);
  const sound = broken.reduce(without, merged);
  const read = Object.entries(sections).flatMap(([name, schema]) => {
    const { success, data } = schema.safeParse(valueAt(sound, [name]));
    return success ? [[name, data] as const] : [];
  });
  // A default that stands in for a broken setting contradicts nothing.
  const isBroken = (path: Path): boolean => broken.some((other) => other.every((key, i) => key === path[i]));
  return contradictions(Object.fromEntries(read)).filter(({ paths }) => !paths.some(isBroken));
}

function parsed(merged: unknown, layers: readonly Layer[]): Config {
  const origin: Origin = { merged, layers };
  const { success, data, error } = configSchema.safeParse(merged);
  const problems = [
    ...(error?.issues ?? []).flatMap((issue) => sentencesOf(issue, origin)),
    ...soundContradictions(merged, error?.issues ?? []).map((contradiction) => sentenceOf(contradiction, origin)),
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
