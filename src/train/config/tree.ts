// The configuration's JSON Schema as a tree that flags, messages and documentation are read from.
import { annotatedJsonSchema, type SettingMeta } from "./meta.ts";
import { configSchema } from "./schema.ts";

/** A node of the JSON Schema, with what meta.ts adds. Only the words that zod writes for this schema. */
export interface TreeNode extends Partial<SettingMeta> {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, TreeNode>>;
  readonly required?: readonly string[];
  /** Members of a discriminated union: each is a map whose `kind` is a constant. */
  readonly oneOf?: readonly TreeNode[];
  readonly anyOf?: readonly TreeNode[];
  readonly prefixItems?: readonly TreeNode[];
  readonly items?: TreeNode | false;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

export const configTree: TreeNode = annotatedJsonSchema(configSchema) as TreeNode;

export type Values = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A property of a map by its own name only: `constructor` in a file must not find JavaScript's. */
export function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** The value at `path`, or undefined. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((current, key) => {
    if (Array.isArray(current) && typeof key === "number") return current[key];
    return isMap(current) ? own(current, String(key)) : undefined;
  }, value);
}

/** The kinds that a discriminated union offers. */
export function kindsOf(union: TreeNode): readonly string[] {
  return (union.oneOf ?? []).map((member) => String(member.properties?.["kind"]?.const));
}

export function defaultKind(union: TreeNode): string | undefined {
  return isMap(union.default) ? (union.default["kind"] as string) : undefined;
}

/**
 * The map of properties that holds for `value`: the node itself, or the member of a union that the value's kind (or the default)
 * chooses. Undefined for a single value and for a kind that does not exist.
 */
export function memberOf(node: TreeNode | undefined, value: unknown): TreeNode | undefined {
  if (node?.oneOf === undefined) return node?.properties === undefined ? undefined : node;
  const kind = valueAt(value, ["kind"]) ?? defaultKind(node);
  return node.oneOf.find((member) => member.properties?.["kind"]?.const === kind);
}
