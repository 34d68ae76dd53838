// How long the threads of an operator wait awake for each other.
const variable = "GOMP_SPINCOUNT";
const turns = "20000"; // some tenths of a millisecond

/**
 * Loads libtorch, and with it libgomp, whose threads from then on fall asleep after waiting that long. As libgomp comes they spin for
 * milliseconds: a thread that has lost its core, to the loader or to another program, then gets it back late, and all others wait for it.
 * What the environment says of it stays, and programs that this process starts are not told. docs/performance.md has the measurement.
 */
export function withShortWaits<T>(load: () => T): T {
  if (process.env[variable] !== undefined || process.env["OMP_WAIT_POLICY"] !== undefined) return load();
  process.env[variable] = turns;
  try {
    return load();
  } finally {
    delete process.env[variable];
  }
}
