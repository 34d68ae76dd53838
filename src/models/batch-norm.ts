// Batch norm over the batches of all processes (OpenCLIP's --use-bn-sync).
import { BatchNorm2d, type Gather, type Module } from "../nn/index.ts";

/** From now on all batch norms of the model that are trained normalise by all processes' batches. Returns how many it has. */
export function synchroniseBatchNorm(model: Module, gather: Gather): number {
  const layers = [...model.modules()].filter((module) => module instanceof BatchNorm2d);
  for (const layer of layers) layer.synchronise(gather);
  return layers.length;
}
