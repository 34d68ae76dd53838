// What zod found, in sentences that name the place as the user wrote it.
import type { z } from "zod";
import { type Field, fieldAtPath, fields, onlyWith } from "./fields.ts";
import type { Layer } from "./layers.ts";
import { nearest } from "./nearest.ts";
import type { Contradiction } from "./rules.ts";
import { configTree, isMap, memberOf, own, type TreeNode, valueAt } from "./tree.ts";
import { expectation, shown } from "./words.ts";

type Path = readonly PropertyKey[];

/** What the sentences are made from: the values after merging, and the layers they came from, lowest first. */
export interface Origin {
  readonly merged: unknown;
  readonly layers: readonly Layer[];
}

/** The node of the schema at `path`, with the kinds that `value` chose on the way. */
function nodeAt(path: Path, value: unknown): TreeNode | undefined {
  let node: TreeNode | undefined = configTree;
  for (const [depth, key] of path.entries()) {
    if (typeof key === "number") node = node?.prefixItems?.[key] ?? (node?.items || undefined);
    else node = own(memberOf(node, valueAt(value, path.slice(0, depth)))?.properties, String(key));
  }
  return node;
}

function nameOf(path: Path): string {
  const flag = fieldAtPath(path)?.flag;
  return flag === undefined ? path.join(".") : `${path.join(".")} (--${flag})`;
}

/** How the user wrote `path`: as a flag or as a place in the file, whichever won. Nothing where the user did not write it. */
function labelsOf(path: Path, { merged, layers }: Origin, name = path.join(".")): readonly string[] {
  const bad = !isMap(valueAt(merged, path));
  const layer = layers.findLast(({ value }) => {
    const item = valueAt(value, path);
    // A section that is no map stayed what it was when flags for it were laid over it.
    return item !== undefined && !(bad && isMap(item));
  });
  return layer?.labels(path, name) ?? [];
}

function unknownKey(parent: Path, key: string, origin: Origin): string[] {
  const { merged } = origin;
  const path = [...parent, key];
  const below = fieldsBelow(path);
  if (below.length > 0) return labelsOf(path, origin).map((label) => `${label}: ${wrongKind(label, below, merged)}`);
  const siblings = Object.keys(memberOf(nodeAt(parent, merged), valueAt(merged, parent))?.properties ?? {});
  const text = `unknown key ${shown(key)}${suggestion(key, siblings)}`;
  return labelsOf(path, origin, parent.join(".")).map((label) => (label === "" ? text : `${label}: ${text}`));
}

/** Settings of any kind that stand at `path` or below it. */
function fieldsBelow(path: Path): readonly Field[] {
  return fields.filter((field) => path.every((key, i) => field.path[i] === key));
}

function suggestion(key: string, siblings: readonly string[]): string {
  const near = nearest(key, siblings);
  if (near !== undefined) return `; did you mean "${near}"?`;
  const elsewhere = fields.find(({ path }) => path.at(-1) === key);
  if (elsewhere) return `; did you mean ${elsewhere.path.join(".")}?`;
  return `; known here: ${siblings.join(", ")}`;
}

function wrongKind(label: string, below: readonly Field[], merged: unknown): string {
  const field = below.find(({ flag }) => label === `--${flag}`) ?? below[0]!;
  const sentences = onlyWith(field).flatMap(({ union, kinds }) => {
    const chosen = String(valueAt(merged, [...union.split("."), "kind"]));
    return kinds.includes(chosen)
      ? []
      : [`belongs to ${union} ${kinds.join(", ")}, but the ${union} chosen is ${chosen}`];
  });
  return sentences[0] ?? "has no meaning here";
}

/** The sentences for one issue: one for each place that the user has to mend. */
export function sentencesOf(issue: z.core.$ZodIssue, origin: Origin): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.flatMap((key) => unknownKey(issue.path, key, origin));
  const { path } = issue;
  const labels = labelsOf(path, origin);
  const setting = fieldAtPath(path)?.node;
  const node = nodeAt(path, origin.merged) ?? setting ?? {};
  const expected = setting?.form ?? expectation(node);
  if (labels.length === 0) return [`${nameOf(path)}: is missing; expected ${expected}`];
  const value = valueAt(origin.merged, path);
  return labels.map((label) => `${label}: expected ${expected}, got ${shown(value)}`);
}

/** The sentence for a contradiction, at the first of its settings that the user wrote. */
export function sentenceOf({ paths, text }: Contradiction, origin: Origin): string {
  const label = paths.flatMap((path) => labelsOf(path, origin).slice(0, 1))[0] ?? nameOf(paths[0]!);
  return `${label}: ${text}`;
}
