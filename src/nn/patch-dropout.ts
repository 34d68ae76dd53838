import { arange, cat, randn, type Tensor, zeros } from "../tensor/index.ts";
import { Module } from "./module.ts";

/** In training, leaves out a share of every picture's patches, others each time (FLIP, arXiv 2212.00794); the class token stays. */
export class PatchDropout extends Module {
  readonly #share: number;

  constructor(share: number) {
    super();
    this.#share = share;
  }

  /** [B, patches + 1, width], the class token first -> [B, kept + 1, width] */
  forward(x: Tensor): Tensor {
    if (!this.training || this.#share === 0) return x;
    const [batch, tokens] = x.shape as [number, number];
    const patches = tokens - 1;
    const kept = Math.max(1, Math.trunc(patches * (1 - this.#share)));
    // Drawn by the CPU's generator wherever the model is, as in OpenCLIP: its state is what a checkpoint holds.
    const [, chosen] = randn([batch, patches]).topk(kept, { dim: 1 });
    const columns = cat([zeros([batch, 1], { dtype: "int64" }), chosen.add(1)], { dim: 1 });
    const rows = arange(batch).mul(tokens).unsqueeze(1).add(columns).flatten();
    const picked = x.flatten({ endDim: 1 }).indexSelect(0, rows.toDevice(x.device, "int64"));
    return picked.view([batch, kept + 1, x.size(2)]);
  }
}
