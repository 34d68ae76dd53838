import {
  autocastType,
  conv2d,
  convolutionBackward,
  type DType,
  differentiable,
  linear,
  type Tensor,
  transposedProduct,
  withoutAutocast,
} from "../tensor/index.ts";
import { uniformByFanIn } from "./init.ts";
import { Module } from "./module.ts";
import { type Recipe, waiting } from "./remade.ts";

/** What ours have nothing of. */
const plain = { dilation: [1, 1], transposed: false, outputPadding: [0, 0], groups: 1 };

interface Geometry {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
}

/** A convolution with a square kernel and no bias. Its weight lies channels-last in memory, the faster layout. */
export class Conv2d extends Module {
  /** [outChannels, inChannels, kernel, kernel] */
  readonly weight: Tensor;
  readonly #geometry: Geometry;
  /** Whether each pixel stands for itself: pictures are rows of channels then, and the convolution is a product of matrices. */
  readonly #isPointwise: boolean;

  constructor(inChannels: number, outChannels: number, options: { kernel: number; stride?: number; padding?: number }) {
    super();
    const { kernel, stride = 1, padding = 0 } = options;
    const drawn = uniformByFanIn([outChannels, inChannels, kernel, kernel], inChannels * kernel * kernel);
    this.weight = this.parameter("weight", drawn.contiguous({ memoryFormat: "channelsLast" }));
    this.#geometry = { stride: [stride, stride], padding: [padding, padding] };
    this.#isPointwise = kernel === 1 && stride === 1 && padding === 0;
  }

  /** [B, inChannels, H, W] -> [B, outChannels, H', W']. By its recipe x is made again on the way back; without one it waits for it. */
  forward(x: Tensor, recipe?: Recipe): Tensor {
    const type = x.device === "cpu" ? autocastType("cpu") : undefined;
    const isWritten = type !== undefined || recipe !== undefined || (this.#isPointwise && x.device === "cpu");
    return isWritten ? this.#written(type ?? x.dtype, x, recipe) : conv2d(x, this.weight, this.#geometry);
  }

  /** With the derivative written out: a cast of the weight does not wait for it in memory, and its gradient stays in the type. */
  #written(type: DType, x: Tensor, recipe: Recipe | undefined): Tensor {
    const { weight } = this;
    const { dtype } = x;
    return differentiable<string>([x, weight], () =>
      withoutAutocast({ device: "cpu" }, () => {
        const input = x.to(type);
        const { from, make } = recipe ?? waiting(input);
        return {
          output: this.#convolved(input, weight.to(type)),
          kept: from,
          derivative: (gradient, kept, wanted) => {
            const [dx, dWeight] = this.#gradients(gradient, {
              input: make(kept).to(type),
              weight: weight.to(type),
              wanted,
            });
            return [dx?.to(dtype), dWeight];
          },
        };
      }),
    );
  }

  #convolved(input: Tensor, weight: Tensor): Tensor {
    if (!this.#isPointwise) return conv2d(input, weight, this.#geometry);
    return picturesOf(rowsOf(input).mm(matrixOf(weight).t()), input);
  }

  /** Of the input and the weight. */
  #gradients(
    gradient: Tensor,
    {
      input,
      weight,
      wanted: [ofInput = false, ofWeight = false],
    }: { input: Tensor; weight: Tensor; wanted: readonly boolean[] },
  ): (Tensor | undefined)[] {
    if (!this.#isPointwise) {
      const task = { ...plain, ...this.#geometry, input, weight, outputMask: [ofInput, ofWeight, false] };
      return convolutionBackward(gradient, task).slice(0, 2);
    }
    const rows = rowsOf(gradient);
    return [
      ofInput ? picturesOf(rows.mm(matrixOf(weight)), input) : undefined,
      ofWeight ? transposedProduct(rows, rowsOf(input)).reshape(weight.shape) : undefined,
    ];
  }
}

/** [B, C, H, W] -> [B H W, C], as channels-last pictures lie in memory. */
const rowsOf = (pictures: Tensor): Tensor => pictures.permute([0, 2, 3, 1]).flatten({ endDim: 2 });

/** [B H W, C] -> [B, C, H, W], as many as others and as large. */
function picturesOf(rows: Tensor, { shape }: Tensor): Tensor {
  const [batch, , height, width] = shape as [number, number, number, number];
  return rows.reshape([batch, height, width, rows.size(1)]).permute([0, 3, 1, 2]);
}

/** [outChannels, inChannels, 1, 1] -> [outChannels, inChannels] */
const matrixOf = (weight: Tensor): Tensor => weight.flatten({ startDim: 1 });

/** A convolution whose kernels lie side by side, written as a product of matrices: the patches of a vision transformer. */
export class PatchConv2d extends Conv2d {
  readonly #kernel: number;

  constructor(inChannels: number, outChannels: number, kernel: number) {
    super(inChannels, outChannels, { kernel, stride: kernel });
    this.#kernel = kernel;
  }

  /** [B, inChannels, H, W] -> [B, patches, outChannels], row by row; what does not fill a patch at the right and lower edge is left out. */
  override forward(x: Tensor): Tensor {
    const kernel = this.#kernel;
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const [rows, columns] = [Math.floor(height / kernel), Math.floor(width / kernel)];
    const pixels = x
      .narrow(2, 0, rows * kernel)
      .narrow(3, 0, columns * kernel)
      .permute([0, 2, 3, 1]);
    const patches = pixels.reshape([batch, rows, kernel, columns, kernel, channels]).permute([0, 1, 3, 2, 4, 5]);
    // Channels come last here and in memory.
    const weight = this.weight.permute([0, 2, 3, 1]).flatten({ startDim: 1 });
    return linear(patches.reshape([batch, rows * columns, kernel * kernel * channels]), weight);
  }
}
