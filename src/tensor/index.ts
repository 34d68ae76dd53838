// Tensors: everything that the layers above use.
export { fusedGelu, fusedGeluBackward, fusesGelu } from "./activation.ts";
export { fusesMixedAdamw, mixedAdamw_ } from "./adamw.ts";
export {
  type AttentionOptions,
  fusedAttention,
  fusedAttentionBackward,
  fusesAttention,
  hasFusedAttention,
} from "./attention.ts";
export { autocast, autocastType, withoutAutocast } from "./autocast.ts";
export { backward, grad, gradOf, noGrad, setGrad, setGradDType, withGrad } from "./autograd.ts";
export { channelMoments, fusedBatchNorm, fusedBatchNormBackward, fusesBatchNorm } from "./batch-norm.ts";
export * as c10d from "./c10d.ts";
export type { MemoryFormat, Scalar } from "./call.ts";
export {
  type Band,
  type BandAnchors,
  type ContrastTermsTask,
  fusedContrastStatistics,
  fusedContrastTerms_,
  fusesContrast,
  type WeightedAnchors,
} from "./contrast.ts";
export { fromBuffer, tensor } from "./create.ts";
export { type DType, dtypes, type TypedArray } from "./dtype.ts";
export { differentiable } from "./function.ts";
export { normOf } from "./norm.ts";
export * from "./ops.generated.ts";
export { transposedProduct, transposedProductAndSums } from "./products.ts";
export { type OperatorRun, type Product, recordOperators } from "./profile.ts";
export { fusedAdd, fusedNorm, fusedNormBackward, fusesResidual } from "./residual.ts";
export * from "./runtime.ts";
export { type NamedTensors, readSafetensors, type SafetensorsFile } from "./safetensors.ts";
export { scope } from "./scope.ts";
export { isTorchFile, readTorchFile } from "./torch-file/read.ts";
export { writeSafetensors } from "./write-safetensors.ts";
