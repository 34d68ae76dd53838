// Every setting as one row: its place in the file, its flag, its default, and the kinds that it belongs to.
import { configTree, defaultKind, kindsOf, type TreeNode } from "./tree.ts";

/** A member of a union that has to be chosen for a setting to exist: `loss` must be `fastclip-v3`. */
interface Choice {
  readonly union: string;
  readonly kind: string;
}

/** One way in which a setting exists. The same key of several kinds can have several defaults. */
interface Variant {
  readonly choices: readonly Choice[];
  readonly default: unknown;
}

export interface Field {
  readonly path: readonly string[];
  readonly flag: string;
  readonly node: TreeNode;
  /** Heading of the section. */
  readonly section: string;
  readonly required: boolean;
  readonly variants: readonly Variant[];
}

interface Place {
  readonly path: readonly string[];
  readonly section: string;
  readonly required: boolean;
  readonly choices: readonly Choice[];
}

function fieldAt(node: TreeNode, place: Place): Field {
  const { path, section, required, choices } = place;
  if (node.flag === undefined) throw new Error(`setting ${path.join(".")} has no flag in its schema`);
  return { path, flag: node.flag, node, section, required, variants: [{ choices, default: node.default }] };
}

function walk(node: TreeNode, place: Place): Field[] {
  const here = { ...place, section: node.title ?? place.section };
  if (node.oneOf !== undefined) return walkUnion(node, here);
  if (node.properties === undefined) return [fieldAt(node, place)];
  return walkProperties(node, here);
}

function walkProperties(node: TreeNode, place: Place): Field[] {
  return Object.entries(node.properties ?? {})
    .filter(([key]) => key !== "kind")
    .flatMap(([key, child]) =>
      walk(child, { ...place, path: [...place.path, key], required: node.required?.includes(key) ?? false }),
    );
}

function walkUnion(node: TreeNode, place: Place): Field[] {
  const { oneOf: members = [], ...meta } = node;
  const kind: TreeNode = { ...meta, type: "string", enum: kindsOf(node), default: defaultKind(node) };
  const union = place.path.join(".");
  return [
    fieldAt(kind, { ...place, path: [...place.path, "kind"], required: false }),
    ...members.flatMap((member, i) =>
      walkProperties(member, { ...place, choices: [...place.choices, { union, kind: kindsOf(node)[i]! }] }),
    ),
  ];
}

function mergeVariants(fields: readonly Field[]): Field[] {
  const byPath = new Map<string, Field>();
  for (const field of fields) {
    const key = field.path.join(".");
    const seen = byPath.get(key);
    byPath.set(key, seen ? { ...seen, variants: [...seen.variants, ...field.variants] } : field);
  }
  return [...byPath.values()];
}

/** All settings, sections in the order of the file. */
export const fields: readonly Field[] = mergeVariants(
  walk(configTree, { path: [], section: "", required: true, choices: [] }),
);

const byFlag: ReadonlyMap<string, Field> = new Map(fields.map((field) => [field.flag, field]));

/** The setting of a flag (its name without the dashes). */
export function fieldOfFlag(flag: string): Field | undefined {
  return byFlag.get(flag);
}

/** The setting that `path` is or lies in. */
export function fieldAtPath(path: readonly PropertyKey[]): Field | undefined {
  return fields.find((field) => field.path.every((key, i) => key === path[i]));
}

const kindCounts: ReadonlyMap<string, number> = new Map(
  fields
    .filter(({ path }) => path.at(-1) === "kind")
    .map(({ path, node }) => [path.slice(0, -1).join("."), node.enum!.length]),
);

/** The kinds that a setting belongs to, union by union; a union all of whose kinds have it is left out. */
export function onlyWith(field: Field): { readonly union: string; readonly kinds: readonly string[] }[] {
  const kinds = new Map<string, Set<string>>();
  for (const { union, kind } of field.variants.flatMap(({ choices }) => choices)) {
    kinds.set(union, (kinds.get(union) ?? new Set()).add(kind));
  }
  return [...kinds]
    .filter(([union, set]) => set.size < kindCounts.get(union)!)
    .map(([union, set]) => ({ union, kinds: [...set] }));
}

/** The innermost choice that has to be made for a setting to exist, whichever way it exists; undefined where there is none. */
export function conditionOf(field: Field): { readonly union: string; readonly kinds: readonly string[] } | undefined {
  const isInAll = (union: string) => field.variants.every(({ choices }) => choices.some((at) => at.union === union));
  return onlyWith(field).findLast(({ union }) => isInAll(union));
}

/** The default in words; where kinds differ, each with its kinds. Undefined where there is none. */
export function defaultText(field: Field): string | undefined {
  const variants = field.variants.filter((variant) => variant.default !== undefined);
  const byText = new Map<string, Set<string>>();
  for (const variant of variants) {
    const text = valueText(variant.default);
    byText.set(text, (byText.get(text) ?? new Set()).add(shortName(variant, variants)));
  }
  if (byText.size === 0) return undefined;
  if (byText.size === 1) return [...byText.keys()][0];
  return [...byText].map(([text, kinds]) => `${text} with ${[...kinds].join(", ")}`).join("; ");
}

/** The kinds that a variant belongs to; only the outermost one where those inside it make no difference. */
function shortName({ choices, default: value }: Variant, variants: readonly Variant[]): string {
  const [outer] = choices;
  const alike = variants.filter((other) => other.choices[0]?.kind === outer?.kind);
  const same = alike.every((other) => valueText(other.default) === valueText(value));
  return (same ? choices.slice(0, 1) : choices).map(({ kind }) => kind).join(" ");
}

function valueText(value: unknown): string {
  return Array.isArray(value) ? value.map(numberText).join(" ") : numberText(value);
}

function numberText(value: unknown): string {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}
