// Locked towers (LiT, arXiv 2111.07991), with OpenCLIP's groups: the embeddings, each block, the projection.
import { BatchNorm2d, type Stage, stageParameters } from "../nn/index.ts";
import type { CLIP } from "./clip.ts";
import { ModifiedResNet } from "./modified-resnet.ts";

/** Takes the image tower out of training, but for its last `unlockedGroups` groups; a ResNet is locked whole. */
export function lockImageTower(model: CLIP, options: { unlockedGroups: number; freezeBatchNorm: boolean }): void {
  const { unlockedGroups, freezeBatchNorm } = options;
  if (model.visual instanceof ModifiedResNet && unlockedGroups > 0)
    throw new RangeError(`a ResNet can only be locked whole, got ${unlockedGroups} unlocked groups`);
  lock(model.stages.image, unlockedGroups);
  if (!freezeBatchNorm) return;
  for (const module of model.visual.modules()) if (module instanceof BatchNorm2d) module.freeze();
}

/** Takes the text tower out of training, but for its last `unlockedLayers` groups. */
export function lockTextTower(model: CLIP, options: { unlockedLayers: number }): void {
  lock(model.stages.text, options.unlockedLayers);
}

/** A parameter that collects no gradient is in no optimizer's group (`parameterGroups`), and autograd records nothing for it. */
function lock(stages: readonly Stage[], unlocked: number): void {
  const locked = stages.slice(0, Math.max(0, stages.length - unlocked));
  for (const parameter of locked.flatMap(stageParameters)) parameter.requireGrad(false);
}
