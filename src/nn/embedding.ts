import { embedding, randn, type Tensor } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** A table of vectors that whole numbers point into. */
export class Embedding extends Module {
  /** [entries, width] */
  readonly weight: Tensor;

  constructor(entries: number, width: number) {
    super();
    this.weight = this.parameter("weight", randn([entries, width]));
  }

  /** int32 or int64 [...] -> [..., width] */
  forward(indices: Tensor): Tensor {
    return embedding(this.weight, indices);
  }
}
