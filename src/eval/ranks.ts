// Where the right answer stands among all answers. Zero-shot accuracy and retrieval recall are both read off these ranks.
import { arange, noGrad, scope, type Tensor } from "../tensor/index.ts";
import { indexTensor } from "./index-tensor.ts";

/**
 * Scores this close count as equal. Equal features differ by up to 1e-7 in a float32 product, by where they stand in the matrix;
 * different ones are rarely this close, and then either order is as good.
 */
const tieWidth = 1e-6;

/** Scores held at a time, 16 MB of them: ranks need no square matrix. */
const scoresHeld = 2 ** 22;

export interface RankOptions {
  /** [Q, d], unit norm, float32. */
  queries: Tensor;
  /** [C, d], unit norm, float32. */
  candidates: Tensor;
  /** [Q]: the candidate that answers each query. */
  targets: ArrayLike<number>;
  /** [C]: candidates of the target's group are right answers too, and do not compete with it. By default each is a group. */
  groups?: ArrayLike<number> | undefined;
  /** Scores held at a time. */
  held?: number;
}

/** For each query, how its target fared. */
export interface Ranks {
  /** [Q]: competitors that score higher than the target. */
  readonly above: Int32Array;
  /** [Q]: competitors that score the same. */
  readonly tied: Int32Array;
  /** [Q]: competitors in all. */
  readonly competitors: Int32Array;
}

/** Ranks every target by the products of queries and candidates. Works on as many queries at a time as `held` allows. */
export function rankTargets(options: RankOptions): Ranks {
  const { queries, candidates, targets, groups, held = scoresHeld } = options;
  const [count, device] = [candidates.size(0), candidates.device];
  const rows = Math.max(1, Math.floor(held / count));
  const above = new Int32Array(targets.length);
  const [tied, competitors] = [above.slice(), above.slice()];
  noGrad(() =>
    scope(() => {
      const groupOf = groups ? indexTensor(groups, device) : arange(count, { dtype: "int64", device });
      const targetOf = indexTensor(targets, device);
      for (let start = 0; start < targets.length; start += rows) {
        const length = Math.min(rows, targets.length - start);
        const target = targetOf.narrow(0, start, length);
        scope(() => {
          const part = rankChunk({ queries: queries.narrow(0, start, length), candidates, target, groupOf });
          above.set(part.above, start);
          tied.set(part.tied, start);
          competitors.set(part.competitors, start);
        });
      }
    }),
  );
  return { above, tied, competitors };
}

function rankChunk(chunk: { queries: Tensor; candidates: Tensor; target: Tensor; groupOf: Tensor }): Ranks {
  const { queries, candidates, target, groupOf } = chunk;
  const scores = queries.mm(candidates.t());
  const own = scores.gather(1, target.unsqueeze(1));
  const right = groupOf.indexSelect(0, target).unsqueeze(1).eq(groupOf);
  const rivals = scores.maskedFill_(right, -Infinity);
  const above = countRows(rivals.gt(own.add(tieWidth)));
  const notBelow = countRows(rivals.ge(own.sub(tieWidth)));
  const rightOnes = countRows(right);
  return {
    above,
    tied: notBelow.map((many, i) => many - above[i]!),
    competitors: rightOnes.map((many) => candidates.size(0) - many),
  };
}

/** How many are true in each row. */
function countRows(flags: Tensor): Int32Array {
  return flags.sumDim({ dim: [1], dtype: "int32" }).data() as Int32Array;
}

/** How often the target is among the best k, and how often a guess would be. */
export interface HitRate {
  readonly value: number;
  readonly chance: number;
  readonly count: number;
}

/**
 * The share of queries whose target is among the best k. A target that ties with others gets the share of the orders of the tied
 * ones in which it is among the best k: a model that gives everything the same score is exactly at chance, k / candidates.
 */
export function hitRate(ranks: Ranks, { k, rows }: { k: number; rows: readonly number[] }): HitRate {
  if (rows.length === 0) throw new RangeError("a rate over no queries was asked for");
  let [hits, guesses] = [0, 0];
  for (const i of rows) {
    const places = ranks.tied[i]! + 1;
    hits += Math.min(places, Math.max(0, k - ranks.above[i]!)) / places;
    guesses += Math.min(1, k / (ranks.competitors[i]! + 1));
  }
  return { value: hits / rows.length, chance: guesses / rows.length, count: rows.length };
}
