import { segmentAt } from "../segment-at.ts";
import { createPermutation } from "./permutation.ts";
import type { Mix, Plan } from "./plan.ts";

/** One pattern of a mix. */
interface Part {
  /** Its first id, and how many there are. */
  readonly start: number;
  readonly size: number;
  /** Samples of it in an epoch. */
  readonly draws: number;
  /** Its samples in an order that is the same in all epochs. */
  readonly order: (index: number) => number;
}

/**
 * Patterns mixed evenly, each drawn from as often as its factor says.
 *
 * A pattern's samples stand in an order of their own, which is gone through again and again: where an epoch ends, the next goes on, so
 * that a factor of 0.1 has seen all samples after ten epochs. An epoch falls into as many rounds as the largest factor needs so that no
 * sample comes twice in a round; every round has its share of each pattern, shuffled. So copies of a sample are met in different
 * batches, but for a batch that stands across the end of a round.
 */
export function createMixedPlan(mix: Mix, words: readonly [seed: number, epoch: number]): Plan {
  const [seed, epoch] = words;
  const parts = mix.factors.map((factor, i) => partOf(mix.starts, { i, factor, seed }));
  const rounds = Math.max(...parts.map(({ size, draws }) => Math.ceil(draws / size)));
  const drawn = ({ draws }: Part, round: number): number => Math.floor((round * draws) / rounds);
  const ends = (round: number): number => parts.reduce((sum, part) => sum + drawn(part, round), 0);
  const starts = Array.from({ length: rounds + 1 }, (_, round) => ends(round));
  const shuffles = Array.from({ length: rounds }, (_, round) =>
    createPermutation(starts[round + 1]! - starts[round]!, [...words, round, 1]),
  );
  const at = (position: number): number => {
    const round = segmentAt(starts, position);
    let place = shuffles[round]!(position - starts[round]!);
    for (const part of parts) {
      const first = drawn(part, round);
      const count = drawn(part, round + 1) - first;
      if (place < count) return part.start + part.order((epoch * part.draws + first + place) % part.size);
      place -= count;
    }
    throw new RangeError(`no sample stands at position ${position}`);
  };
  return { length: starts.at(-1)!, at };
}

function partOf(starts: readonly number[], { i, factor, seed }: { i: number; factor: number; seed: number }): Part {
  const start = starts[i]!;
  const size = starts[i + 1]! - start;
  const draws = Math.max(1, Math.round(factor * size));
  return { start, size, draws, order: createPermutation(size, [seed, i]) };
}

/** Samples in an epoch. */
export function mixedLength({ starts, factors }: Mix): number {
  return factors.reduce((sum, factor, i) => sum + partOf(starts, { i, factor, seed: 0 }).draws, 0);
}
