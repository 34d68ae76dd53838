import type { ProcessGroup } from "../distributed/process-group.ts";

/** What the evaluation's collectives are counted under. */
export const traffic = "evaluation";

/** The part of `count` things in a row that falls to this process: those from `start` up to but not including `end`. */
export function partOf(count: number, { rank, size }: ProcessGroup): { start: number; end: number } {
  return { start: Math.floor((rank * count) / size), end: Math.floor(((rank + 1) * count) / size) };
}
