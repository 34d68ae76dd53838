// How new parameters are filled. The draws and their order are PyTorch's: the same seed gives the same weights as there.
import { empty, noGrad, ones, randn, type Tensor, zeros } from "../tensor/index.ts";

/** PyTorch's default for the weights and biases of linear and convolution layers: uniform in +-1/sqrt(fanIn). */
export function uniformByFanIn(shape: readonly number[], fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return empty(shape).uniform_({ from: -bound, to: bound });
}

/** Glorot's uniform distribution for a matrix [fanOut, fanIn]. */
export function xavierUniform(fanOut: number, fanIn: number): Tensor {
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return empty([fanOut, fanIn]).uniform_({ from: -bound, to: bound });
}

/** A new tensor of normal numbers, scaled after the draw. */
export function normal(shape: readonly number[], std: number): Tensor {
  return randn(shape).mul_(std);
}

/** Draws an existing parameter anew. */
export function normal_(parameter: Tensor, std: number): void {
  noGrad(() => parameter.normal_({ std }));
}

/** A new gain of ones and bias of zeros, as normalisation layers start. */
export function gainAndBias(size: number): [gain: Tensor, bias: Tensor] {
  return [ones([size]), zeros([size])];
}
