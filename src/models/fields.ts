// Checks of single fields of a JSON configuration.

export function refuse(what: string, expected: string, got: unknown): Error {
  return new Error(`${what} must be ${expected}, got ${got === undefined ? "nothing" : JSON.stringify(got)}`);
}

export function readObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse(where, "an object", value);
  return value as Record<string, unknown>;
}

/** A positive whole number. */
export function readInteger(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw refuse(what, "a positive whole number", value);
  return value as number;
}

export function readNumber(
  value: unknown,
  what: string,
  { above = Number.NEGATIVE_INFINITY }: { above?: number } = {},
): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= above)
    throw refuse(what, above === 0 ? "a positive number" : "a number", value);
  return value;
}

/** For each known field that may be present: the values that change nothing (null never does), or "any". */
export type NeutralValues = Readonly<Record<string, readonly unknown[] | "any">>;

/** Refuses every field of `others` that is not known to change nothing. */
export function refuseOthers(others: Readonly<Record<string, unknown>>, neutral: NeutralValues, where: string): void {
  for (const [name, value] of Object.entries(others)) {
    const allowed = Object.hasOwn(neutral, name) ? neutral[name] : undefined;
    if (allowed === undefined) throw new Error(`${where}: the field ${name} is not known`);
    if (value !== null && allowed !== "any" && !allowed.includes(value))
      throw new Error(`${where}: ${name} = ${JSON.stringify(value)} asks for a model that is not supported`);
  }
}
