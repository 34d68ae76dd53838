// What a contrastive loss sums up over a band of similarities, in one pass over memory.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Similarities [rows, columns]; row i is the anchor whose own pair is column `offset` + i. Columns are anchors too. */
export interface Band {
  readonly similarity: Tensor;
  readonly offset: number;
}

/** Of a band's rows, or of its columns; vectors have a number for each, or one for all. */
export interface BandAnchors {
  /** s_ii */
  readonly diagonal: Tensor;
  readonly inverseTau: Tensor;
}

export interface WeightedAnchors extends BandAnchors {
  /** log w_i */
  readonly logWeight: Tensor;
}

/** Whether the kernels take it, and vectors beside it: float32 on a CPU with AVX-512. */
export function fusesContrast({ dtype, device }: Tensor): boolean {
  return dtype === "float32" && device === "cpu" && native.hasAvx512BFloat16();
}

/**
 * Of x_ij = (s_ij - s_ii) / tau_i off the diagonal, for rows [3, rows] and, where they are given, for columns as anchors [3, columns]: the largest,
 * sum_j exp(x_ij - largest), and sum_j x_ij exp(x_ij - largest). Exponentials below 2^-100 count as 0. The largest of nothing is at most -1e30 / tau.
 */
export function fusedContrastStatistics(
  { similarity, offset }: Band,
  { own, others }: { own: BandAnchors; others?: BandAnchors | undefined },
): { rows: Tensor; columns: Tensor | undefined } {
  const vectors = ({ diagonal, inverseTau }: BandAnchors): number[] => [diagonal, inverseTau].map(handleOf);
  const [rows, columns] = native.contrastStatistics(
    handleOf(similarity),
    offset,
    vectors(own),
    others && vectors(others),
  );
  return { rows: new Tensor(rows), columns: columns === undefined ? undefined : new Tensor(columns) };
}

export interface ContrastTermsTask {
  readonly own: WeightedAnchors;
  readonly others?: WeightedAnchors | undefined;
  /** Whether the columns' terms are summed up over the rows too. */
  readonly pullsColumns?: boolean;
}

/**
 * The similarities, which lie one after the other, become exp(x_ij - log w_i) / tau_i, 0 on the diagonal; with the columns' anchors, to which
 * the band's rows are others, these terms are added. Returned are sums over the columns, [5, rows]: of the row's exp(x_ij - log w_i), of these
 * times x_ij, the same two of the columns' anchors, and of the row's exp(x_ij - log w_i) / tau_i; and, where it is asked for, the last one of the
 * columns' anchors over the rows, [columns]. Exponentials below 2^-100 count as 0.
 */
export function fusedContrastTerms_(
  { similarity, offset }: Band,
  { own, others, pullsColumns = false }: ContrastTermsTask,
): { sums: Tensor; columnPull: Tensor | undefined } {
  const vectors = [handlesOf(own), others && handlesOf(others)] as const;
  const [sums, columnPull] = native.contrastTerms(similarity.handle, offset, ...vectors, pullsColumns);
  return { sums: new Tensor(sums), columnPull: columnPull === undefined ? undefined : new Tensor(columnPull) };
}

const handleOf = (tensor: Tensor): number => tensor.contiguous().handle;

const handlesOf = ({ diagonal, inverseTau, logWeight }: WeightedAnchors): number[] =>
  [diagonal, inverseTau, logWeight].map(handleOf);
