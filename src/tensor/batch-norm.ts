// Batch norm in training, with what may follow it: the sum with a shortcut, and the rectifier. Autograd does not see any of it.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

export interface BatchNormTask {
  /** float32 [C] */
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly eps: number;
  readonly isRectified: boolean;
}

/** Whether the kernels take it, of which there has to be more than one number a channel: float32 or bfloat16 on a CPU with AVX-512. */
export function fusesBatchNorm(x: Tensor, { weight, bias }: Pick<BatchNormTask, "weight" | "bias">): boolean {
  const isTaken = x.dtype === "float32" || x.dtype === "bfloat16";
  const isWhole = x.shape.length === 4 && x.numel > x.shape[1]! && x.device === "cpu";
  return isTaken && isWhole && weight.dtype === "float32" && bias.dtype === "float32" && native.hasAvx512BFloat16();
}

const pictures = (x: Tensor): Tensor => x.contiguous({ memoryFormat: "channelsLast" });

/** The mean and the (biased) variance of each channel of x [B, C, H, W]: [2, C]. */
export function channelMoments(x: Tensor): Tensor {
  return new Tensor(native.batchNormMoments(pictures(x).handle));
}

export interface BatchNormForward extends BatchNormTask {
  readonly x: Tensor;
  /** Of x, by `channelMoments`. */
  readonly moments: Tensor;
  readonly shortcut?: Tensor | undefined;
}

/** max(0, norm of x [B, C, H, W] + shortcut), without the maximum where it is not rectified. All pictures are of one type. */
export function fusedBatchNorm({ x, moments, weight, bias, eps, isRectified, shortcut }: BatchNormForward): Tensor {
  const added = shortcut && pictures(shortcut).handle;
  const parameters = [moments.handle, weight.handle, bias.handle, eps] as const;
  return new Tensor(native.batchNormOutput(pictures(x).handle, ...parameters, isRectified, added));
}

export interface BatchNormBackward extends BatchNormTask {
  readonly x: Tensor;
  readonly moments: Tensor;
  /** What came out, where a shortcut is in it. */
  readonly output?: Tensor | undefined;
}

/** The gradients of x, weight and bias from that of what `fusedBatchNorm` gave; with an output that of the shortcut too. */
export function fusedBatchNormBackward(
  gradient: Tensor,
  { x, moments, weight, bias, eps, isRectified, output }: BatchNormBackward,
): { dx: Tensor; weight: Tensor; bias: Tensor; shortcut: Tensor | undefined } {
  const [dx, ofWeight, ofBias, ofShortcut] = native.batchNormBackward(
    ...([pictures(gradient).handle, pictures(x).handle, moments.handle, weight.handle, bias.handle] as const),
    ...([eps, isRectified, output && pictures(output).handle] as const),
  );
  const shortcut = ofShortcut === undefined ? undefined : new Tensor(ofShortcut);
  return { dx: new Tensor(dx), weight: new Tensor(ofWeight), bias: new Tensor(ofBias), shortcut };
}
