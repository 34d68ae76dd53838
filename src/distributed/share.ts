// What rank 0 knows and the others need to know: small values as JSON, through the store.
import type { ProcessGroup } from "./process-group.ts";

type Told = { readonly value: unknown } | { readonly error: string };

/** What `make` returns on rank 0, on every rank; it runs there alone. An error in it is every rank's error. */
export function share<T>(group: ProcessGroup, { name, make }: { name: string; make: () => T }): T {
  const { connection, rank } = group;
  if (!connection) return make();
  const key = `share/${name}`;
  if (rank !== 0) {
    const told = JSON.parse(
      connection.run(`waiting for ${name}`, () => connection.await(key, group.timeoutMs)),
    ) as Told;
    if ("error" in told) throw new Error(`rank 0: ${told.error}`);
    return told.value as T;
  }
  const tell = (told: Told): void =>
    connection.run(`telling ${name}`, () => connection.store.set(key, JSON.stringify(told)));
  try {
    const value = make();
    tell({ value });
    return value;
  } catch (error) {
    tell({ error: (error as Error).message });
    throw error;
  }
}
