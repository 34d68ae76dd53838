// What a layer hands to the next so that it need not wait in memory for the way back.
import type { Tensor } from "../tensor/index.ts";

/** A tensor, and how it is made again. */
export interface Remade {
  readonly value: Tensor;
  /** Absent where it can only be kept. */
  readonly recipe?: Recipe | undefined;
}

export interface Recipe {
  /** What waits for the way back anyway. */
  readonly from: Readonly<Record<string, Tensor>>;
  /** The same numbers, to the last bit, from these and parameters. */
  make(from: Readonly<Record<string, Tensor>>): Tensor;
}

/** Of what waits itself. */
export function waiting(x: Tensor): Recipe {
  return { from: { x }, make: ({ x }) => x! };
}
