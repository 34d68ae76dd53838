// What a contrastive loss sums up over a band of similarities, in one pass over memory.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Of a band of similarities [rows, columns], row i the anchor whose own pair is column `offset` + i. Vectors have a number a row, or one. */
export interface Band {
  readonly similarity: Tensor;
  readonly offset: number;
  /** s_ii */
  readonly diagonal: Tensor;
  readonly inverseTau: Tensor;
}

export interface BandAnchors {
  readonly diagonal: Tensor;
  readonly inverseTau: Tensor;
  readonly logWeight: Tensor;
}

/** Whether the kernels take it, and vectors beside it: float32 on a CPU with AVX-512. */
export function fusesContrast({ dtype, device }: Tensor): boolean {
  return dtype === "float32" && device === "cpu" && native.hasAvx512BFloat16();
}

/**
 * Of x_ij = (s_ij - s_ii) / tau_i off the diagonal, [3, rows]: log sum_j exp(x_ij), the mean of x_ij weighted by the exponentials, the largest.
 * Exponentials below 2^-100 of the largest count as 0.
 */
export function fusedContrastStatistics({ similarity, offset, diagonal, inverseTau }: Band): Tensor {
  const vectors = [handleOf(diagonal), handleOf(inverseTau)] as const;
  return new Tensor(native.contrastStatistics(handleOf(similarity), offset, ...vectors));
}

/**
 * The similarities, which lie one after the other, become exp(x_ij - log w_i) / tau_i, 0 on the diagonal; with the columns' anchors, to which
 * the band's rows are others, these terms are added. Returned are sums over the columns, [5, rows]: of the row's exp(x_ij - log w_i), of these
 * times x_ij, the same two of the columns' anchors, and of the row's exp(x_ij - log w_i) / tau_i. Exponentials below 2^-100 count as 0.
 */
export function fusedContrastTerms_(
  { similarity, offset, ...own }: Band & BandAnchors,
  others: BandAnchors | undefined,
): Tensor {
  return new Tensor(native.contrastTerms(similarity.handle, offset, handlesOf(own), others && handlesOf(others)));
}

const handleOf = (tensor: Tensor): number => tensor.contiguous().handle;

const handlesOf = ({ diagonal, inverseTau, logWeight }: BandAnchors): number[] =>
  [diagonal, inverseTau, logWeight].map(handleOf);
