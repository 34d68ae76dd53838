// GELU and its quick form on the way back, in one pass over memory.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Whether `fusedGeluBackward` takes it: float32 or bfloat16 on a CPU with AVX-512 for that. */
export function fusesGelu(x: Tensor): boolean {
  const isTaken = x.dtype === "float32" || x.dtype === "bfloat16";
  return isTaken && x.device === "cpu" && native.hasAvx512BFloat16();
}

/**
 * Of x times the normal distribution function of x or, `isQuick`, x sigmoid(1.702 x): the values, and the gradient of x from that of the
 * values, which may be overwritten.
 */
export function fusedGeluBackward(
  gradient: Tensor,
  x: Tensor,
  { isQuick }: { isQuick: boolean },
): { output: Tensor; input: Tensor } {
  const input = gradient.contiguous();
  return { output: new Tensor(native.activateBackward(input.handle, x.contiguous().handle, isQuick)), input };
}
