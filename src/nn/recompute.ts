// Computing something a second time, for its gradient: memory is saved where the first time keeps nothing.
import { rngState, setRngState, type Tensor } from "../tensor/index.ts";

let recomputing = false;

/** Whether what is computed now was computed before. Layers that learn from their input (batch norm) learn only the first time. */
export function isRecomputing(): boolean {
  return recomputing;
}

/**
 * Runs `body` as it ran when the random state was `random`: with the same random numbers, and teaching nothing. The random state
 * is afterwards what it was before.
 */
export function recompute<T>(random: Tensor, body: () => T): T {
  const outer = recomputing;
  const present = rngState();
  recomputing = true;
  try {
    setRngState(random);
    return body();
  } finally {
    recomputing = outer;
    setRngState(present);
    present.free();
  }
}
