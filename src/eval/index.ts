// Evaluation: zero-shot classification and retrieval.
export { type ClassList, type ClassName, parseClasses, readClasses } from "./classes.ts";
export type { Compute, Encoder } from "./encode.ts";
export { type EvaluateOptions, type Evaluation, evaluate } from "./evaluate.ts";
export type { Progress } from "./features.ts";
export type { GalleryItem, GalleryRow } from "./gallery.ts";
export type { EvalResult } from "./results.ts";
