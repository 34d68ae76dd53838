// CLIP models.
export { CLIP, createModel } from "./clip.ts";
export { type ModelConfig, parseModelConfig } from "./config.ts";
export { modelConfig, modelNames } from "./presets.ts";
export { loadWeights, type PreprocessConfig, saveModel } from "./weights.ts";
