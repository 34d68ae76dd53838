// Who frees a tensor: the scope in which it was made, unless the scope's body returns it or it is kept.
import { type Handle, native } from "../native/addon.ts";

/** What a scope needs to know of a tensor. */
export interface Owned {
  readonly handle: Handle;
  kept: boolean;
  free(): void;
}

let current: Owned[] | undefined;

// A net only: tensors outside of any scope are freed when the garbage collector finds them.
const net = new FinalizationRegistry<Handle>((handle) => native.free(handle));

/** Hands a new tensor to the scope that is open. */
export function track(tensor: Owned): void {
  if (current === undefined) net.register(tensor, tensor.handle);
  else current.push(tensor);
}

/**
 * Runs `body` and frees every tensor that it made, but for those it returns (a tensor, or arrays, maps and plain objects of
 * them), which go to the scope outside, and those that were kept with `keep()`. Frees them also when `body` throws.
 */
export function scope<T>(body: () => T): T {
  const outer = current;
  const made: Owned[] = [];
  const returned = new Set<unknown>();
  current = made;
  try {
    const result = body();
    if (result instanceof Promise) throw new TypeError("a scope's body must not be asynchronous");
    collect(result, returned);
    return result;
  } finally {
    current = outer;
    for (const tensor of made) {
      if (returned.has(tensor)) track(tensor);
      else if (tensor.kept) net.register(tensor, tensor.handle);
      else tensor.free();
    }
  }
}

function collect(value: unknown, into: Set<unknown>): void {
  if (typeof value !== "object" || value === null || into.has(value)) return;
  into.add(value);
  if ("handle" in value || ArrayBuffer.isView(value)) return;
  const parts = value instanceof Map || Array.isArray(value) ? value.values() : Object.values(value);
  for (const part of parts) collect(part, into);
}
