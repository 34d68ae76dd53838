// Where two plain JSON values differ.

export interface Difference {
  /** "optim.lr", "shapes.weight.1". */
  readonly path: string;
  /** Undefined where it is missing. */
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Both go through JSON first, in which undefined fields are dropped. */
export function findDifferences(expected: unknown, actual: unknown): Difference[] {
  return differencesAt(plain(expected), plain(actual), "");
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function differencesAt(expected: unknown, actual: unknown, path: string): Difference[] {
  if (isObject(expected) && isObject(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...keys].flatMap((key) => differencesAt(expected[key], actual[key], path ? `${path}.${key}` : key));
  }
  return Object.is(expected, actual) ? [] : [{ path, expected, actual }];
}

/** Arrays too: their places are keys. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A value in a sentence. */
export function show(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
