// All processes of a run must have been started alike.
import { findDifferences, show } from "./differences.ts";
import type { ProcessGroup } from "./process-group.ts";

/** What is compared: the configuration, the code's version, the parameters' shapes, the data's fingerprint; plain JSON. */
export type Facts = Readonly<Record<string, unknown>>;

const mostDifferences = 3;
const alike = "alike";

/**
 * Compares every rank's facts with rank 0's. Throws on all ranks when they differ, in a sentence that names a rank and where it
 * differs. Rank 0 reads them all and says what it found, so that K ranks take 2 K messages and not K^2.
 */
export function agree(group: ProcessGroup, facts: Facts): void {
  const { connection, rank, size, timeoutMs } = group;
  if (!connection) return;
  const { store } = connection;
  const verdict = connection.run("agreeing on how the run was started", () => {
    store.set(`agree/${rank}`, JSON.stringify(facts));
    if (rank === 0) {
      const others = Array.from({ length: size - 1 }, (_, index) => index + 1);
      const found = others.map((other) =>
        judge(other, facts, JSON.parse(connection.await(`agree/${other}`, timeoutMs))),
      );
      store.set("agree/verdict", found.find((sentence) => sentence !== undefined) ?? alike);
    }
    return connection.await("agree/verdict", timeoutMs);
  });
  if (verdict !== alike) throw new Error(verdict);
}

function judge(rank: number, expected: Facts, actual: Facts): string | undefined {
  const differences = findDifferences(expected, actual);
  if (differences.length === 0) return undefined;
  const more = differences.length - mostDifferences;
  const each = differences
    .slice(0, mostDifferences)
    .map((one) => `${one.path} is ${show(one.actual)} there and ${show(one.expected)} on rank 0`);
  return `rank ${rank} was not started as rank 0 was: ${each.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
