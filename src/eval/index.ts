// Evaluation: zero-shot classification and retrieval.
export { type ClassList, readClasses } from "./classes.ts";
export { type Evaluation, evaluate } from "./evaluate.ts";
