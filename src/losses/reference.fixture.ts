// The objectives in plain float64 JavaScript, straight from their definitions: what tests hold the tensor code against.
import { type Tensor, tensor } from "../tensor/index.ts";
import type { Features } from "./features.ts";
import type { Pair } from "./pair.ts";

export type Matrix = readonly (readonly number[])[];

export const toMatrix = (values: Tensor): Matrix => {
  const [rows, columns] = values.shape as [number, number];
  const flat = values.toArray();
  return Array.from({ length: rows }, (_, i) => flat.slice(i * columns, (i + 1) * columns));
};

export const fromMatrix = (matrix: Matrix): Tensor =>
  tensor(matrix.flat(), { shape: [matrix.length, matrix[0]!.length] });

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** g1 and g2 of every pair. */
export function innerFunctions({ image, text }: Pair<Matrix>, tau: number): Pair<number[]> {
  const B = image.length;
  const one = (anchors: Matrix, others: Matrix): number[] =>
    anchors.map((anchor, i) => {
      const own = dot(anchor, others[i]!);
      const terms = others.map((other, j) => (i === j ? 0 : Math.exp((dot(anchor, other) - own) / tau)));
      return terms.reduce((sum, term) => sum + term, 0) / (B - 1);
    });
  return { image: one(image, text), text: one(text, image) };
}

/** v0's F = mean_i (log(eps + g1_i) + log(eps + g2_i)) / 2. */
export function globalObjective(features: Pair<Matrix>, { tau, eps }: { tau: number; eps: number }): number {
  const { image, text } = innerFunctions(features, tau);
  const total = image.reduce((sum, g, i) => sum + Math.log(eps + g) + Math.log(eps + text[i]!), 0);
  return total / (2 * image.length);
}

/**
 * The gradient of v0's F by the features, written out: sum_j (A_ij + C_ji) e2_j / tau - sum_j (A_ij + C_ij) e2_i / tau for images, with
 * A_ij = exp((s_ij - s_ii)/tau) / (eps + g1_i) and C_ij the same of text anchors; all over 2 B (B-1).
 */
export function globalGradient(features: Pair<Matrix>, { tau, eps }: { tau: number; eps: number }): Pair<number[][]> {
  const g = innerFunctions(features, tau);
  const B = features.image.length;
  const term = (side: "image" | "text", i: number, j: number): number => {
    const [anchors, others] = side === "image" ? [features.image, features.text] : [features.text, features.image];
    if (i === j) return 0;
    return Math.exp((dot(anchors[i]!, others[j]!) - dot(anchors[i]!, others[i]!)) / tau) / (eps + g[side][i]!);
  };
  const by = (side: "image" | "text", other: "image" | "text"): number[][] =>
    features[side].map((row, i) =>
      row.map((_, k) => {
        const pairs = features[other].map((partner, j) => {
          const push = (term(side, i, j) + term(other, j, i)) * partner[k]!;
          return push - (term(side, i, j) + term(other, i, j)) * features[other][i]![k]!;
        });
        return pairs.reduce((sum, value) => sum + value, 0) / (tau * 2 * B * (B - 1));
      }),
    );
  return { image: by("image", "text"), text: by("text", "image") };
}

/** InfoNCE as a cross entropy over the rows and the columns of the similarities. */
export function crossEntropy({ image, text }: Pair<Matrix>, tau: number): number {
  const one = (anchors: Matrix, others: Matrix): number[] =>
    anchors.map((anchor, i) => {
      const logits = others.map((other) => dot(anchor, other) / tau);
      const most = Math.max(...logits);
      return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - logits[i]!;
    });
  const losses = [...one(image, text), ...one(text, image)];
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** Central differences of f by every entry of both sides. */
export function finiteDifferences(features: Pair<Matrix>, f: (at: Pair<Matrix>) => number, h = 1e-6): Pair<number[][]> {
  const by = (side: "image" | "text"): number[][] =>
    features[side].map((row, i) =>
      row.map((_, k) => {
        const moved = (step: number): Pair<Matrix> => ({
          ...features,
          [side]: features[side].map((r, n) => (n === i ? r.map((x, m) => (m === k ? x + step : x)) : r)),
        });
        return (f(moved(h)) - f(moved(-h))) / (2 * h);
      }),
    );
  return { image: by("image"), text: by("text") };
}

/** Row i of all features that rank `rank` of `ranks` owns. */
export function ofRank(all: Pair<Tensor>, { rank, ranks }: { rank: number; ranks: number }): Features {
  const rows = all.image.size(0) / ranks;
  const offset = rank * rows;
  return { local: { image: all.image.narrow(0, offset, rows), text: all.text.narrow(0, offset, rows) }, all, offset };
}
