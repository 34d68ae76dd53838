// A type of the schema, a value, and the text of a flag: in words and out of words.
import { isMap, type TreeNode } from "./tree.ts";

function bounds(node: TreeNode): string {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = node;
  // Whole numbers carry the limits of what JavaScript counts exactly; nobody has to be told.
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const least = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  const parts = [
    least !== undefined && `of at least ${least}`,
    above !== undefined && `above ${above}`,
    most !== undefined && `of at most ${most}`,
    below !== undefined && `below ${below}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? "" : ` ${parts.join(" and ")}`;
}

/** What a value has to be: `a whole number of at least 2`. */
export function expectation(node: TreeNode): string {
  if (node.form !== undefined) return node.form;
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.map((value) => JSON.stringify(value)).join(", ")}`;
  if (node.anyOf !== undefined) return node.anyOf.map(expectation).join(" or ");
  if (node.prefixItems !== undefined) return `a list of ${node.prefixItems.length} numbers`;
  if (node.oneOf !== undefined || node.properties !== undefined) return "a map of settings";
  switch (node.type) {
    case "array":
      return `a list of one or more, each ${expectation(node.items || {})}`;
    case "integer":
      return `a whole number${bounds(node)}`;
    case "number":
      return `a number${bounds(node)}`;
    case "boolean":
      return "true or false";
    default:
      return "a text that is not empty";
  }
}

/** A value as a message shows it, cut short. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isMap(value)) return "a map";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}

/** What the command line gives for a flag. */
export type FlagValue = string | boolean | readonly string[];

const decimal = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i;

function scalar(node: TreeNode, text: string): unknown {
  const kinds = node.anyOf ?? [node];
  const numeric = kinds.some(({ type }) => type === "number" || type === "integer");
  // Anything but a decimal number stays a text, which the schema then refuses with the text in its message.
  return numeric && decimal.test(text) ? Number(text) : text;
}

/** The value that the words of a flag mean, as far as they mean one; what they do not mean is left to the schema to refuse. */
export function parseFlag(node: TreeNode, raw: FlagValue): unknown {
  if (typeof raw === "boolean") return raw;
  const words = typeof raw === "string" ? [raw] : raw;
  if (node.prefixItems !== undefined) {
    const parts = words.flatMap((word) => word.split(/[\s,]+/)).filter((part) => part !== "");
    return parts.map((part, i) => scalar(node.prefixItems?.[i] ?? {}, part));
  }
  if (isList(node)) return words.map((word) => scalar(node.items || {}, word));
  return words.length === 1 ? scalar(node, words[0]!) : words;
}

/** Whether a setting takes several words on the command line. */
export function isList(node: TreeNode): boolean {
  return node.type === "array" || (node.anyOf ?? []).some(({ type }) => type === "array");
}
