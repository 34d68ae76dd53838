import {
  autocastType,
  conv2d,
  convolutionBackward,
  type DType,
  differentiable,
  linear,
  type Tensor,
  withoutAutocast,
} from "../tensor/index.ts";
import { uniformByFanIn } from "./init.ts";
import { Module } from "./module.ts";
import { type Recipe, waiting } from "./remade.ts";

/** What ours have nothing of. */
const plain = { dilation: [1, 1], transposed: false, outputPadding: [0, 0], groups: 1 };

/** A convolution with a square kernel and no bias. Its weight lies channels-last in memory, the faster layout. */
export class Conv2d extends Module {
  /** [outChannels, inChannels, kernel, kernel] */
  readonly weight: Tensor;
  readonly #stride: readonly number[];
  readonly #padding: readonly number[];

  constructor(inChannels: number, outChannels: number, options: { kernel: number; stride?: number; padding?: number }) {
    super();
    const { kernel, stride = 1, padding = 0 } = options;
    const drawn = uniformByFanIn([outChannels, inChannels, kernel, kernel], inChannels * kernel * kernel);
    this.weight = this.parameter("weight", drawn.contiguous({ memoryFormat: "channelsLast" }));
    this.#stride = [stride, stride];
    this.#padding = [padding, padding];
  }

  /** [B, inChannels, H, W] -> [B, outChannels, H', W']. By its recipe x is made again on the way back; without one it waits for it. */
  forward(x: Tensor, recipe?: Recipe): Tensor {
    const type = x.device === "cpu" ? autocastType("cpu") : undefined;
    if (type === undefined && recipe === undefined)
      return conv2d(x, this.weight, { stride: this.#stride, padding: this.#padding });
    return this.#written(type ?? x.dtype, x, recipe);
  }

  /** With the derivative written out: a cast of the weight does not wait for it in memory, and its gradient stays in the type. */
  #written(type: DType, x: Tensor, recipe: Recipe | undefined): Tensor {
    const { weight } = this;
    const geometry = { stride: this.#stride, padding: this.#padding };
    const { dtype } = x;
    return differentiable<string>([x, weight], () =>
      withoutAutocast({ device: "cpu" }, () => {
        const input = x.to(type);
        const { from, make } = recipe ?? waiting(input);
        return {
          output: conv2d(input, weight.to(type), geometry),
          kept: from,
          derivative: (gradient, kept, [ofX = false, ofWeight = false]) => {
            const task = { ...plain, ...geometry, input: make(kept).to(type), weight: weight.to(type) };
            const outputMask = [ofX, ofWeight, false];
            const [dx, dWeight] = convolutionBackward(gradient, { ...task, outputMask });
            return [dx?.to(dtype), dWeight];
          },
        };
      }),
    );
  }
}

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
