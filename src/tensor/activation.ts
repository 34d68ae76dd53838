// GELU and its quick form of x + bias, in one pass over memory each way.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Whether the kernels take it, with a bias of float32: float32 or bfloat16 on a CPU with AVX-512 for that. */
export function fusesGelu(x: Tensor, bias: Tensor): boolean {
  const isTaken = x.dtype === "float32" || x.dtype === "bfloat16";
  return isTaken && bias.dtype === "float32" && x.device === "cpu" && native.hasAvx512BFloat16();
}

export interface GeluTask {
  /** [..., width] */
  readonly x: Tensor;
  /** float32 [width] */
  readonly bias: Tensor;
  /** Whether it is z sigmoid(1.702 z) of z = x + bias, not z times the normal distribution function of z. */
  readonly isQuick: boolean;
}

export function fusedGelu({ x, bias, isQuick }: GeluTask): Tensor {
  return new Tensor(native.activate(x.contiguous().handle, bias.handle, isQuick));
}

/** The values again, and the gradient of x from that of the values, which may be overwritten. */
export function fusedGeluBackward(gradient: Tensor, { x, bias, isQuick }: GeluTask): { output: Tensor; input: Tensor } {
  const input = gradient.contiguous();
  const output = native.activateBackward(input.handle, x.contiguous().handle, bias.handle, isQuick);
  return { output: new Tensor(output), input };
}
