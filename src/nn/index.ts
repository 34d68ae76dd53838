// Layers and blocks of neural networks.
export { gelu, quickGelu } from "./activation.ts";
export { MultiheadAttention, type TokenPick } from "./attention.ts";
export { averagePool } from "./average-pool.ts";
export { BatchNorm2d } from "./batch-norm.ts";
export { Conv2d, PatchConv2d } from "./conv.ts";
export { Embedding } from "./embedding.ts";
export { normal, normal_ } from "./init.ts";
export { LayerNorm } from "./layer-norm.ts";
export { Module, ModuleList } from "./module.ts";
export type { Gather } from "./moments.ts";
export { PatchDropout } from "./patch-dropout.ts";
export { Perceptron } from "./perceptron.ts";
export { recompute } from "./recompute.ts";
export { residual } from "./residual.ts";
export { AttentionPool2d, Bottleneck, expansion } from "./resnet.ts";
export { Sequences } from "./sequences.ts";
export { runStages, type Stage, stageParameters } from "./stage.ts";
export { Transformer, type TransformerOptions } from "./transformer.ts";
