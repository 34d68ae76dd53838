import { linear, type Tensor } from "../tensor/index.ts";
import { uniformByFanIn } from "./init.ts";
import { Module } from "./module.ts";

/** y = x W^T + b. */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Tensor;
  /** [outFeatures] */
  readonly bias: Tensor;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.weight = this.parameter("weight", uniformByFanIn([outFeatures, inFeatures], inFeatures));
    this.bias = this.parameter("bias", uniformByFanIn([outFeatures], inFeatures));
  }

  /** [..., inFeatures] -> [..., outFeatures] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias });
  }
}
