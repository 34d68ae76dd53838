// Multi-head attention of bfloat16 and float32 on a CPU, in one pass over memory each way.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

export interface AttentionOptions {
  readonly heads: number;
  /** Every token attends to itself and those before it alone. */
  readonly isCausal: boolean;
  /** Of sequences of different lengths, one after the other as rows: the first row of each, and at last the number of rows. */
  readonly starts?: readonly number[] | undefined;
}

/** Whether `fusedAttention` takes it: bfloat16 or float32 on a CPU that has products of bfloat16 (AVX-512), and heads of an even size. */
export function fusesAttention(projected: Tensor, { heads }: AttentionOptions): boolean {
  const isKnown = projected.dtype === "bfloat16" || projected.dtype === "float32";
  if (!isKnown || projected.device !== "cpu" || projected.size(-1) % (6 * heads) !== 0) return false;
  return hasFusedAttention();
}

/** Whether this CPU has the kernel. */
export function hasFusedAttention(): boolean {
  return native.hasAvx512BFloat16() && native.canAttend();
}

/**
 * softmax(Q K^T / sqrt(d)) V of queries, keys and values side by side, [B, tokens, 3 width] -> [B, tokens, width], or rows -> rows. Scores
 * and their softmax are float32. Autograd does not see it.
 */
export function fusedAttention(projected: Tensor, { heads, isCausal, starts }: AttentionOptions): Tensor {
  return new Tensor(native.attend(projected.contiguous().handle, heads, isCausal, starts));
}

/** The gradient of what went in from that of what came out, which is computed a second time, as the scores are. */
export function fusedAttentionBackward(
  gradient: Tensor,
  projected: Tensor,
  { heads, isCausal, starts }: AttentionOptions,
): { input: Tensor; output: Tensor } {
  const [dy, x] = [gradient.contiguous().handle, projected.contiguous().handle];
  const [input, output] = native.attendBackward(dy, x, heads, isCausal, starts);
  return { input: new Tensor(input!), output: new Tensor(output!) };
}
