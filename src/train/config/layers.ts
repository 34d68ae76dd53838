// Where a value came from: the command's own defaults, the file, or a flag.

import { type Field, fieldOfFlag } from "./fields.ts";
import type { ConfigFile } from "./file.ts";
import { own, type Values } from "./tree.ts";
import { type FlagValue, parseFlag } from "./words.ts";

/** Values of one origin, and how a message names a place among them. */
export interface Layer {
  readonly value: Values;
  /** `config.yaml:8:5 loss.rho`, or `--rho` for each flag that lies at `path`, below or above it. `name` stands for the path. */
  labels(path: readonly PropertyKey[], name: string): readonly string[];
}

/** Flags by name, without their dashes. */
export type FlagValues = Readonly<Record<string, FlagValue>>;

export function fileLayer({ value, where }: ConfigFile): Layer {
  return { value, labels: (path, name) => [`${where(path)} ${name}`.trimEnd()] };
}

export function defaultsLayer(value: Values): Layer {
  return { value, labels: (_, name) => [name] };
}

function startsWith(path: readonly PropertyKey[], start: readonly PropertyKey[]): boolean {
  return start.every((key, i) => path[i] === key);
}

function withValue(map: Values, path: readonly string[], value: unknown): Values {
  const [key = "", ...rest] = path;
  return { ...map, [key]: rest.length === 0 ? value : withValue((own(map, key) ?? {}) as Values, rest, value) };
}

/** The layer of the flags. Throws on a flag that the schema does not have: the command line knows only the schema's. */
export function flagsLayer(flags: FlagValues): Layer {
  const given = Object.entries(flags).map(([flag, raw]): readonly [Field, FlagValue] => {
    const field = fieldOfFlag(flag);
    if (field === undefined) throw new RangeError(`--${flag} is no flag of the configuration`);
    return [field, raw];
  });
  return {
    value: given.reduce<Values>((map, [{ path, node }, raw]) => withValue(map, path, parseFlag(node, raw)), {}),
    labels: (path) =>
      given
        .filter(([field]) => startsWith(field.path, path) || startsWith(path, field.path))
        .map(([field]) => `--${field.flag}`),
  };
}
