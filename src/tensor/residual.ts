// What stands around f in x + f(norm(x)), in one pass over memory each, for a stream x of float32 or bfloat16 and an f of the same type or of
// bfloat16. Autograd does not see any of it.
import { native } from "../native/addon.ts";
import type { DType } from "./dtype.ts";
import { Tensor } from "./ops.generated.ts";

/** Whether the kernels take it, the norm's with parameters of float32: a stream x and an f of that type on a CPU with AVX-512. */
export function fusesResidual(x: Tensor, type: DType): boolean {
  const isPair =
    type === "bfloat16" ? x.dtype === "float32" || x.dtype === type : x.dtype === "float32" && x.dtype === type;
  return isPair && x.device === "cpu" && native.hasAvx512BFloat16();
}

export interface NormParameters {
  /** float32 [width] */
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly eps: number;
}

/** The layer norm of x [..., width] in `type`, and the means of its rows and 1 / their standard deviations, [2, rows]. */
export function fusedNorm(
  x: Tensor,
  type: DType,
  { weight, bias, eps }: NormParameters,
): { h: Tensor; moments: Tensor } {
  const isRounded = type === "bfloat16";
  const [h, moments] = native.normalize(x.contiguous().handle, weight.handle, bias.handle, eps, isRounded);
  return { h: new Tensor(h), moments: new Tensor(moments) };
}

export interface NormBackward {
  readonly x: Tensor;
  readonly moments: Tensor;
  readonly weight: Tensor;
  /** The gradient of x that goes by the norm, of its type. */
  readonly passed: Tensor;
}

/** The gradients of x, with `passed` added to it, weight and bias, from that of what `fusedNorm` gave. */
export function fusedNormBackward(
  gradient: Tensor,
  { x, moments, weight, passed }: NormBackward,
): { dx: Tensor; weight: Tensor; bias: Tensor } {
  const inputs = [gradient, x, moments, weight, passed].map((input) => input.contiguous().handle);
  const [dx, ofWeight, ofBias] = native.normalizeBackward(...(inputs as Parameters<typeof native.normalizeBackward>));
  return { dx: new Tensor(dx), weight: new Tensor(ofWeight), bias: new Tensor(ofBias) };
}

/** x + output + bias [width] of float32, in x's type; an output of that type may be overwritten. */
export function fusedAdd(x: Tensor, output: Tensor, bias: Tensor): Tensor {
  return new Tensor(native.addBranch(x.contiguous().handle, output.contiguous().handle, bias.handle));
}
