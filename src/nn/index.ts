// Layers and blocks of neural networks.
export { gelu, quickGelu } from "./activation.ts";
export { Conv2d } from "./conv.ts";
export { Embedding } from "./embedding.ts";
export { normal, normal_ } from "./init.ts";
export { Module, ModuleList } from "./module.ts";
export type { Gather } from "./moments.ts";
export { BatchNorm2d, LayerNorm } from "./norm.ts";
export { PatchDropout } from "./patch-dropout.ts";
export { recompute } from "./recompute.ts";
export { AttentionPool2d, Bottleneck, expansion } from "./resnet.ts";
export { runStages, type Stage, stageParameters } from "./stage.ts";
export { type TokenPick, Transformer, type TransformerOptions } from "./transformer.ts";
