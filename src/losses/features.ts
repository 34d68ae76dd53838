// The features of one step: this rank's rows, and everybody's.
import { scope, type Tensor } from "../tensor/index.ts";
import { type Pair, type Side, sides } from "./pair.ts";

/** Unit-norm float32 features without gradient. Row i of `local` is row `offset + i` of `all`. */
export interface Features {
  /** This rank's rows, [b, d]. */
  readonly local: Pair<Tensor>;
  /** The global batch in rank order, [B, d]; the same tensors as `local` on one rank. */
  readonly all: Pair<Tensor>;
  readonly offset: number;
}

/** The features of a run with one process. */
export function singleRank(local: Pair<Tensor>): Features {
  return { local, all: local, offset: 0 };
}

/** Whether this rank has the whole batch: then the columns of its similarities are its own anchors of the other side. */
export function isWhole({ local, all }: Features): boolean {
  return local.image.size(0) === all.image.size(0);
}

/** The sides of which a band's rows have to be taken: where they are the whole batch, columns stand for texts as anchors. */
export function rowSides(features: Features): readonly Side[] {
  return isWhole(features) ? ["image"] : sides;
}

/** s_ii for the rows of `features`, [n]. */
export function diagonalSimilarity(features: Pair<Tensor>): Tensor {
  return scope(() => features.image.mul(features.text).sumDim({ dim: [1] }));
}

export interface Tile {
  /** Rows of `local`. */
  readonly start: number;
  readonly rows: number;
}

// 2^22 similarities are 16 MiB in float32: they stay in a CPU's cache level or take a small part of a GPU's memory.
const tileElements = 2 ** 22;

/** Cuts the b x B similarities into bands of rows, so that the loss needs O(B d + tile) memory, never b x B. */
export function tiles(features: Features): Tile[] {
  const [local, all] = [features.local.image.size(0), features.all.image.size(0)];
  const rows = Math.max(1, Math.min(local, Math.floor(tileElements / all)));
  return Array.from({ length: Math.ceil(local / rows) }, (_, i) => ({
    start: i * rows,
    rows: Math.min(rows, local - i * rows),
  }));
}
