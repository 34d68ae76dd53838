// Retrieval: finding a picture's caption among all captions, and a caption's picture among all pictures.
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { Tensor } from "../tensor/index.ts";
import { type Ranks, rankTargets } from "./ranks.ts";

export interface RetrievalOptions {
  /** [N, d], float32, unit norm. */
  images: Tensor;
  /** [N, d], float32, unit norm: the caption of each picture. */
  texts: Tensor;
  /** [N]: pairs with the same number show the same thing. */
  groups: Int32Array;
  /** Scores held at a time. */
  held?: number;
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
}

/** The four ways in which retrieval is counted, by the words that metrics are named with. */
export interface Retrieval {
  readonly direction: "image-to-text" | "text-to-image";
  /** `plain`: only the pair's own half is right. `masked`: other pairs of its group do not compete. */
  readonly counting: "plain" | "masked";
  readonly ranks: Ranks;
}

/**
 * Where the other half of each pair stands among all. Two pairs of one group are right answers for each other in truth; counted plain
 * each is an error of the other, counted masked they are left out of each other's race. Where no two pairs share a group, both are
 * the same, and only `plain` is given.
 */
export function rankPairs({ images, texts, groups, ...rest }: RetrievalOptions): Retrieval[] {
  const targets = Int32Array.from(groups.keys());
  const countings = new Set(groups).size < groups.length ? (["plain", "masked"] as const) : (["plain"] as const);
  const directions = [
    { direction: "image-to-text", queries: images, candidates: texts },
    { direction: "text-to-image", queries: texts, candidates: images },
  ] as const;
  return countings.flatMap((counting) =>
    directions.map(({ direction, queries, candidates }) => ({
      direction,
      counting,
      ranks: rankTargets({ ...rest, queries, candidates, targets, groups: counting === "masked" ? groups : undefined }),
    })),
  );
}
