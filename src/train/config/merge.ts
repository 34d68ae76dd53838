// Laying the flags over the file and the file over the defaults.
import { isMap, memberOf, own, type TreeNode, type Values, valueAt } from "./tree.ts";

// Object.fromEntries makes `__proto__` a key like any other, which an assignment would not.
const mapOf = (entries: Iterable<readonly [string, unknown]>): Values => Object.fromEntries(entries);

/** What of `value`, written for the kind `from`, still has a meaning with the kind `to`. Unknown keys stay, to be reported. */
function carriedOver(from: TreeNode | undefined, to: TreeNode | undefined, value: Values): Values {
  if (from === to || from === undefined || to === undefined) return value;
  const kept = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const [before, after] = [own(from.properties, key), own(to.properties, key)];
    if (before === undefined) return [[key, item]];
    if (after === undefined || after.role !== before.role) return [];
    return [[key, isMap(item) ? carriedOver(memberOf(before, item), memberOf(after, item), item) : item]];
  });
  return mapOf(kept);
}

/**
 * `upper` laid over `lower`. Where the upper one chooses another kind of a union, it replaces what belonged to the lower kind
 * alone: `--loss openclip` over a file for fastclip-v3 takes the file's rho with it and leaves its temperature.
 */
export function layOver(node: TreeNode | undefined, lower: unknown, upper: unknown): unknown {
  if (upper === undefined) return lower;
  if (lower === undefined || !isMap(upper) || (node?.properties ?? node?.oneOf) === undefined) return upper;
  // A lower value of the wrong type stays, so that its own place is told.
  if (!isMap(lower)) return lower;
  const kind = valueAt(upper, ["kind"]) ?? valueAt(lower, ["kind"]);
  const to = memberOf(node, kind === undefined ? {} : { kind });
  const base = carriedOver(memberOf(node, lower), to, lower);
  const changed = Object.entries(upper).map(
    ([key, item]) => [key, layOver(own(to?.properties, key), own(base, key), item)] as const,
  );
  return mapOf([...Object.entries(base), ...changed]);
}

/** Whether a section is there without being written. Those that are not switch something on. */
function isPresent(parent: TreeNode, key: string): boolean {
  return own(parent.properties, key)?.default !== undefined || (parent.required ?? []).includes(key);
}

/** `value` with every section that is missing and the default kind of every union that names none. */
export function completed(node: TreeNode, value: unknown): unknown {
  if (!isMap(value)) return value;
  const member = memberOf(node, value);
  if (member?.properties === undefined) return value;
  const kind = member.properties["kind"]?.const;
  const filled = Object.entries(member.properties)
    .filter(
      ([key, child]) => (child.properties ?? child.oneOf) && (Object.hasOwn(value, key) || isPresent(member, key)),
    )
    .map(([key, child]) => [key, completed(child, Object.hasOwn(value, key) ? value[key] : {})] as const);
  return mapOf([...(kind === undefined ? [] : [["kind", kind] as const]), ...Object.entries(value), ...filled]);
}
