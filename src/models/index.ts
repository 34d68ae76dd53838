// CLIP models.
export { CLIP, createModel } from "./clip.ts";
export { type ModelConfig, parseModelConfig, type TextConfig, type VisionConfig } from "./config.ts";
export { modelConfig, modelNames } from "./presets.ts";
export { loadWeights, openAIPreprocess, type PreprocessConfig, saveModel, weightsFile } from "./weights.ts";
