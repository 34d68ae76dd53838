// The order of one epoch: which sample stands at which position.

import { createMixedPlan } from "./mixed.ts";
import { createPermutation } from "./permutation.ts";
import { createWindowPlan } from "./window.ts";

export interface Plan {
  /** How many positions there are: the size of the data set, unless its patterns are drawn from more or less often. */
  readonly length: number;
  /** The id at `position` (0 .. length - 1). */
  at(position: number): number;
  /** The segments that are wanted at `position` and soon after it, where the order goes through the data set by segments. */
  segmentsFrom?(position: number): readonly number[];
}

export type Order =
  /** That of the ids. */
  | { readonly kind: "ids" }
  /** All samples shuffled. For data of which any part can be read at any time. */
  | { readonly kind: "global" }
  /** Segments shuffled, and the samples of `segments` at a time among each other. For data that is fetched by whole segments. */
  | { readonly kind: "window"; readonly segments: number };

/** What a plan has to know of the data set and of how it is gone through. */
export interface PlanSetup {
  readonly seed: number;
  readonly order: Order;
  /** The id of each segment's first sample, and behind them the number of samples. */
  readonly starts: readonly number[];
  /** How the patterns of the data set are mixed; each sample comes once when absent. */
  readonly mix?: Mix | undefined;
}

export interface Mix {
  /** The id of each pattern's first sample, and behind them the number of samples. */
  readonly starts: readonly number[];
  /** How often a sample of each pattern comes in an epoch, on average: 0.5 is every other epoch, 2 twice. */
  readonly factors: readonly number[];
}

/** The order of an epoch, a function of the setup and the epoch alone. Each id stands at exactly one position, unless there is a mix. */
export function createPlan(setup: PlanSetup, epoch: number): Plan {
  const { seed, order, starts, mix } = setup;
  if (mix) return checked(createMixedPlan(mix, [seed, epoch]));
  if (order.kind === "window") return checked(createWindowPlan(order, { starts, words: [seed, epoch] }));
  const length = starts.at(-1)!;
  return checked({
    length,
    at: order.kind === "ids" ? (position) => position : createPermutation(length, [seed, epoch]),
  });
}

function checked(plan: Plan): Plan {
  const at = (position: number): number => {
    if (Number.isInteger(position) && position >= 0 && position < plan.length) return plan.at(position);
    throw new RangeError(`position ${position} lies outside the epoch's 0 to ${plan.length - 1}`);
  };
  return { ...plan, at };
}
