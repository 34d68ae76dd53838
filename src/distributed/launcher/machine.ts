import type { Attempt } from "./attempt.ts";
import type { Failure, Report } from "./ending.ts";

/** The processes of one machine, as node 0 sees them: its own, or those that another launcher starts. */
export interface Machine {
  readonly node: number;
  /** Starts them; comes back when all have ended, never with an error. The first failure is told at once. */
  run(attempt: Attempt, onFailure: (failure: Failure) => void): Promise<Report>;
  /** Ends them, because of a failure somewhere. */
  stop(failure: Failure): void;
}
