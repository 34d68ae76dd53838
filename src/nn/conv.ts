import { conv2d, type Tensor } from "../tensor/index.ts";
import { uniformByFanIn } from "./init.ts";
import { Module } from "./module.ts";

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

  /** [B, inChannels, H, W] -> [B, outChannels, H', W'] */
  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { stride: this.#stride, padding: this.#padding });
  }
}
