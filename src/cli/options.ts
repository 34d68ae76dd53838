// The flags of the configuration on a command, and the configuration out of them.
import { type Command, Option } from "commander";
import { conditionOf, defaultText, type Field, fields } from "../train/config/fields.ts";
import type { FlagValues } from "../train/config/layers.ts";
import { loadConfig } from "../train/config/load.ts";
import type { Values } from "../train/config/tree.ts";
import type { Config } from "../train/config/types.ts";
import { type FlagValue, isList } from "../train/config/words.ts";

function placeholder({ node }: Field): string {
  if (node.prefixItems !== undefined) return " <number...>";
  if (isList(node)) return ` <${node.value ?? "value"}...>`;
  return ` <${node.value ?? "number"}>`;
}

function remarks(field: Field): string {
  const { node } = field;
  const standard = defaultText(field);
  const only = conditionOf(field);
  const parts = [
    node.unit,
    node.enum?.join(" | "),
    node.prefixItems && `${node.prefixItems.length} numbers`,
    field.required && "required",
    standard !== undefined && node.type !== "boolean" && `default: ${standard}`,
    only && `only with ${only.union} ${only.kinds.join(", ")}`,
  ].filter((part) => part !== undefined && part !== false);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function optionOf(field: Field): Option {
  const description = field.node.description ?? "";
  // A switch that is on by default can only be turned off.
  if (field.node.type === "boolean" && field.node.default === true) {
    return new Option(`--no-${field.flag}`, `Leave out: ${description}`).helpGroup(`${field.section}:`);
  }
  const value = field.node.type === "boolean" ? "" : placeholder(field);
  return new Option(`--${field.flag}${value}`, `${description}${remarks(field)}`).helpGroup(`${field.section}:`);
}

/** Adds `--config FILE` and a flag for every setting of the configuration, or of the sections named, grouped as the file is. */
export function addConfigOptions(command: Command, sections?: readonly (keyof Config)[]): Command {
  return addOptions(command, ({ path }) => sections === undefined || sections.includes(path[0] as keyof Config));
}

/** Adds `--config FILE` and the flags of single settings, named without dashes; a name that ends in "-" stands for all that begin so. */
export function addConfigFlags(command: Command, flags: readonly string[]): Command {
  const wanted = (name: string): boolean =>
    flags.some((flag) => name === flag || (flag.endsWith("-") && name.startsWith(flag)));
  return addOptions(command, ({ flag }) => wanted(flag));
}

function addOptions(command: Command, wanted: (field: Field) => boolean): Command {
  command.option("--config <file>", "YAML file of settings; flags win over it (docs/configuration.md lists all)");
  for (const field of fields) if (wanted(field)) command.addOption(optionOf(field));
  return command;
}

/** The settings' flags that the user gave, as loadConfig takes them. */
export function givenFlags(command: Command): FlagValues {
  const settings = new Set(fields.map(({ flag }) => flag));
  const given = command.options
    .filter((option) => command.getOptionValueSource(option.attributeName()) === "cli")
    .map((option): [string, FlagValue] => [
      option.name().replace(/^no-/, ""),
      command.getOptionValue(option.attributeName()),
    ])
    .filter(([flag]) => settings.has(flag));
  return Object.fromEntries(given);
}

/** The configuration that the command line and its `--config` file say. `overrides` take the place of the schema's defaults. */
export function configOf(command: Command, overrides: Values = {}): Config {
  const { config: file } = command.opts<{ config?: string }>();
  return loadConfig({ file, flags: givenFlags(command), overrides });
}
