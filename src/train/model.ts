// The model of a run, made as configured.
import { existsSync } from "node:fs";
import { type CLIP, createModel, loadWeights, lockImageTower, lockTextTower } from "../models/index.ts";
import { Ema } from "../optim/ema.ts";
import { noGrad } from "../tensor/index.ts";
import type { Config } from "./config/types.ts";

/**
 * A new model, of which only what is to be trained collects gradients. Of several processes one `begins` with the pretrained weights;
 * the others get them from it.
 */
export function createConfigured({ model, run, loss }: Config, { begins }: { begins: boolean }): CLIP {
  const { name, patchDropout, lock } = model;
  const logitScale = -Math.log(loss.temperature.init);
  const bias = loss.kind === "siglip" ? { logitBias: loss.bias.init } : {};
  const created = createModel(name, { seed: run.seed, logitScale, patchDropout, ...bias });
  if (begins && model.pretrained !== undefined) beginWith(model.pretrained, { created, logitScale });
  const { imageUnlockedGroups: unlockedGroups, imageFreezeBnStats: freezeBatchNorm, textUnlockedLayers } = lock;
  if (lock.image) lockImageTower(created, { unlockedGroups, freezeBatchNorm });
  if (lock.text) lockTextTower(created, { unlockedLayers: textUnlockedLayers });
  return created;
}

/** Takes over saved weights; the temperature is the run's own. */
function beginWith(path: string, { created, logitScale }: { created: CLIP; logitScale: number }): void {
  if (!existsSync(path)) throw new Error(`the pretrained weights ${path} (--pretrained) do not exist`);
  loadWeights(created, path);
  noGrad(() => created.logitScale.fill_(logitScale));
}

/** The moving average of all that training changes in a model: what is trained, and the statistics of batch norm. */
export function createEma({ optim }: Pick<Config, "optim">, model: CLIP): Ema | undefined {
  const { emaDecay: decay, emaWarmup: warmup } = optim;
  if (decay === undefined) return undefined;
  const parameters = model.parameters();
  const changing = [...model.stateDict()].filter(([name, { requiresGrad }]) => requiresGrad || !parameters.has(name));
  return new Ema(new Map(changing), { decay, warmup });
}
