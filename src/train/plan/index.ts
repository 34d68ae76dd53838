export { findDataSize } from "./data-size.ts";
export { chooseMicroBatch, explainOutOfMemory } from "./fit.ts";
export { formatPlan } from "./format.ts";
export { formatMemory, memoryEstimate } from "./memory.ts";
export { createPlan } from "./plan.ts";
export { formatStart } from "./start.ts";
