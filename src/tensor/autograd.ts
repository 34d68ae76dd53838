// Gradients by libtorch's autograd.
import { native } from "../native/addon.ts";
import { type DType, dtypeCode } from "./dtype.ts";
import { Tensor } from "./ops.generated.ts";

/** Runs `body` without recording operations for backward. */
export function noGrad<T>(body: () => T): T {
  return withGradMode(false, body);
}

/** Runs `body` recording operations, also inside `noGrad`. */
export function withGrad<T>(body: () => T): T {
  return withGradMode(true, body);
}

function withGradMode<T>(enabled: boolean, body: () => T): T {
  const before = native.setGradMode(enabled);
  try {
    return body();
  } finally {
    native.setGradMode(before);
  }
}

/** Pushes gradients back from `roots` and adds them to the `.grad` of every leaf; a scalar root needs no gradient. */
export function backward(
  roots: readonly Tensor[],
  options: { gradients?: readonly (Tensor | null)[]; retainGraph?: boolean } = {},
): void {
  const gradients = options.gradients ?? roots.map(() => null);
  native.backward(
    roots.map((root) => root.handle),
    gradients.map((gradient) => gradient?.handle ?? null),
    options.retainGraph ?? false,
  );
}

/** Gradients of `roots` with respect to `inputs`, not added anywhere; null where a root does not depend on one. */
export function grad(
  roots: readonly Tensor[],
  inputs: readonly Tensor[],
  options: { gradients?: readonly (Tensor | null)[] } = {},
): (Tensor | null)[] {
  const gradients = options.gradients ?? roots.map(() => null);
  const results = native.grad(
    roots.map((root) => root.handle),
    inputs.map((input) => input.handle),
    gradients.map((gradient) => gradient?.handle ?? null),
  );
  return results.map((handle) => (handle === null ? null : new Tensor(handle)));
}

/** The gradient that backward collected in a leaf, or null. */
export function gradOf(tensor: Tensor): Tensor | null {
  const handle = native.gradOf(tensor.handle);
  return handle === null ? null : new Tensor(handle);
}

/** From now on backward leaves the gradient of this leaf in another type than its own; it has to have none yet. */
export function setGradDType(tensor: Tensor, dtype: DType): void {
  native.setGradDType(tensor.handle, dtypeCode(dtype));
}

/** Replaces the collected gradient; null drops it. */
export function setGrad(tensor: Tensor, gradient: Tensor | null): void {
  native.setGrad(tensor.handle, gradient?.handle ?? null);
}
