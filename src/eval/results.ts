// From ranks to the figures that are reported, each with what guessing would reach.
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { Tensor } from "../tensor/index.ts";
import { hitRate, type Ranks } from "./ranks.ts";
import { rankPairs } from "./retrieval.ts";
import { type Classifier, rankClasses } from "./zeroshot.ts";

/** One figure of an evaluation. */
export interface EvalResult {
  /** The data it was measured on, "held-out style". */
  readonly split: string;
  /** What was measured, "zero-shot top-1". */
  readonly metric: string;
  /** Share of right answers, 0..1. */
  readonly value: number;
  /** The share that guessing reaches, 0..1. */
  readonly chance: number;
  /** Samples that were judged. */
  readonly count: number;
}

const accuracyAt: readonly number[] = [1, 5];
const recallAt: readonly number[] = [1, 5, 10];

/** Ranks of one kind, the words that name its figures, and the sample that each rank belongs to. */
interface Ranking {
  readonly ranks: Ranks;
  readonly at: readonly number[];
  readonly metric: (k: number) => string;
  readonly samples: readonly number[];
}

/** Samples that a figure is taken over. */
interface Subset {
  readonly split: string;
  readonly has: (sample: number) => boolean;
}

export interface MeasureOptions {
  /** What the data is called. */
  split: string;
  /** [N, d], float32, unit norm. */
  images: Tensor;
  /** [N, d], float32, unit norm; without them no retrieval. */
  texts: Tensor | undefined;
  /** Without it no zero-shot classification. */
  classifier: Classifier | undefined;
  /** [N]: class of each picture, or -1. */
  classes: Int32Array;
  /** [N]: pairs with the same number show the same thing. */
  groups: Int32Array;
  /** [N]: whether the concept was kept out of training, where that is known. */
  heldOutConcept: readonly (boolean | undefined)[];
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
}

/** All figures: of the whole data and, where some concepts are known to be held out and others not, of the two parts. */
export function measure(options: MeasureOptions): EvalResult[] {
  const rankings = [...classRankings(options), ...pairRankings(options)];
  return subsetsOf(options).flatMap((subset) => rankings.flatMap((ranking) => figures(ranking, subset)));
}

function classRankings({ images, classifier, classes, group }: MeasureOptions): Ranking[] {
  if (!classifier) return [];
  const { ranks, rows } = rankClasses({ images, classifier, labels: classes, group });
  return [{ ranks, samples: rows, at: accuracyAt, metric: (k) => `zero-shot top-${k}` }];
}

function pairRankings({ images, texts, groups, group }: MeasureOptions): Ranking[] {
  if (!texts) return [];
  const samples = Array.from(groups.keys());
  const suffix = { plain: "", masked: ", same label masked" };
  return rankPairs({ images, texts, groups, group }).map(({ direction, counting, ranks }) => {
    return { ranks, samples, at: recallAt, metric: (k) => `${direction} recall@${k}${suffix[counting]}` };
  });
}

function subsetsOf({ split, heldOutConcept }: MeasureOptions): Subset[] {
  const all = { split, has: () => true };
  if (!heldOutConcept.includes(true) || !heldOutConcept.includes(false)) return [all];
  return [
    all,
    { split: `${split}, seen concept`, has: (i) => heldOutConcept[i] === false },
    { split: `${split} and concept`, has: (i) => heldOutConcept[i] === true },
  ];
}

function figures({ ranks, samples, at, metric }: Ranking, { split, has }: Subset): EvalResult[] {
  const rows = Array.from(samples.keys()).filter((row) => has(samples[row]!));
  if (rows.length === 0) return [];
  return at.map((k) => ({ split, metric: metric(k), ...hitRate(ranks, { k, rows }) }));
}
