// CLIP models.
export { synchroniseBatchNorm } from "./batch-norm.ts";
export { CLIP, createModel } from "./clip.ts";
export { type ModelConfig, parseModelConfig } from "./config.ts";
export { lockImageTower, lockTextTower } from "./lock.ts";
export { loadWeights, type PreprocessConfig, saveModel } from "./weights.ts";
