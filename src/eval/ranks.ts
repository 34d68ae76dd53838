// Where the right answer stands among all answers. Zero-shot accuracy and retrieval recall are both read off these ranks.
import { gatherRows } from "../distributed/gather.ts";
import { ProcessGroup } from "../distributed/process-group.ts";
import { arange, cat, empty, noGrad, scope, stack, type Tensor } from "../tensor/index.ts";
import { indexTensor } from "./index-tensor.ts";
import { partOf, traffic } from "./part.ts";

/**
 * Scores this close count as equal. Equal features differ by up to 1e-7 in a float32 product, by where they stand in the matrix;
 * different ones are rarely this close, and then either order is as good.
 */
const tieWidth = 1e-6;

/** Scores held at a time, 16 MB of them: ranks need no square matrix. */
const scoresHeld = 2 ** 22;

/** Queries ranked at a time, at most: few enough that every process gets some where there are many. */
const queriesAtOnce = 256;

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
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
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

/**
 * Ranks every target by the products of queries and candidates. Works on as many queries at a time as `held` allows; a process takes
 * a part of these chunks, which are the same ones for any number of processes.
 */
export function rankTargets(options: RankOptions): Ranks {
  const { candidates, targets, held = scoresHeld, group = ProcessGroup.alone() } = options;
  const rows = Math.max(1, Math.min(queriesAtOnce, Math.floor(held / candidates.size(0))));
  const chunks = partOf(Math.ceil(targets.length / rows), group);
  const columns = noGrad(() =>
    scope(() => {
      const own = rankPart(options, { start: chunks.start * rows, end: chunks.end * rows, rows });
      return gatherRows(group, { rows: own, name: traffic }).t().contiguous().data() as Int32Array;
    }),
  );
  const column = (i: number): Int32Array => columns.slice(i * targets.length, (i + 1) * targets.length);
  return { above: column(0), tied: column(1), competitors: column(2) };
}

/** [n, 3], int32: the columns of `Ranks` for the queries from `start` up to `end`, or to the last one, `rows` at a time. */
function rankPart(
  { queries, candidates, targets, groups }: RankOptions,
  { start, end, rows }: { start: number; end: number; rows: number },
): Tensor {
  const { device } = candidates;
  const groupOf = groups ? indexTensor(groups, device) : arange(candidates.size(0), { dtype: "int64", device });
  const targetOf = indexTensor(targets, device);
  const parts: Tensor[] = [];
  for (let from = start; from < Math.min(end, targets.length); from += rows) {
    const length = Math.min(rows, targets.length - from);
    const target = targetOf.narrow(0, from, length);
    parts.push(scope(() => rankChunk({ queries: queries.narrow(0, from, length), candidates, target, groupOf })));
  }
  return parts.length === 0 ? empty([0, 3], { dtype: "int32", device }) : cat(parts);
}

function rankChunk(chunk: { queries: Tensor; candidates: Tensor; target: Tensor; groupOf: Tensor }): Tensor {
  const { queries, candidates, target, groupOf } = chunk;
  const scores = queries.mm(candidates.t());
  const own = scores.gather(1, target.unsqueeze(1));
  const right = groupOf.indexSelect(0, target).unsqueeze(1).eq(groupOf);
  const rivals = scores.maskedFill_(right, -Infinity);
  const above = countRows(rivals.gt(own.add(tieWidth)));
  const notBelow = countRows(rivals.ge(own.sub(tieWidth)));
  const competitors = countRows(right).neg().add(candidates.size(0));
  return stack([above, notBelow.sub(above), competitors], { dim: 1 });
}

/** How many are true in each row: [n], int32. */
function countRows(flags: Tensor): Tensor {
  return flags.sumDim({ dim: [1], dtype: "int32" });
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
