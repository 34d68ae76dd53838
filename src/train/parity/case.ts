// A folder of golden cases: NAME.json (settings), and NAME.safetensors beside it where a case has tensors.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type NamedTensors, readSafetensors, type Tensor } from "../../tensor/index.ts";

/** Settings are what the case's author wrote; the replay of each kind knows their fields. */
export type Settings = Readonly<Record<string, unknown>>;

/** "loss/v3-w1" is NAME v3-w1 in the folder of the kind "loss". */
export interface Case {
  readonly kind: string;
  readonly name: string;
  readonly path: string;
}

/** All cases below `folder`, in alphabetical order. */
export function findCases(folder: string): Case[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new Error(`expected a folder of golden cases, ${folder} is none`);
  const kinds = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const cases = kinds.flatMap(({ name: kind }) =>
    readdirSync(join(folder, kind))
      .filter((file) => file.endsWith(".json"))
      .map((file) => file.slice(0, -".json".length))
      .map((name) => ({ kind, name: `${kind}/${name}`, path: join(folder, kind, name) })),
  );
  if (cases.length === 0) throw new Error(`${folder} holds no golden case (KIND/NAME.json)`);
  return cases.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function readSettings({ path }: Case): Settings {
  try {
    return JSON.parse(readFileSync(`${path}.json`, "utf8")) as Settings;
  } catch (error) {
    throw new Error(`${path}.json: ${(error as Error).message}`);
  }
}

export function readTensors({ path }: Case): NamedTensors {
  return readSafetensors(`${path}.safetensors`).tensors;
}

/** A tensor that the case must hold. */
export function tensorOf(tensors: NamedTensors, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`the case lacks the tensor ${name}`);
  return tensor;
}
