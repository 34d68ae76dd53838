// How processes end, and what that means for the run.
import { constants } from "node:os";

export type Ending =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "killed"; readonly signal: NodeJS.Signals }
  | { readonly kind: "not started"; readonly reason: string };

/** What ended a run: a process, or a machine that is lost with all of its own. */
export interface Failure {
  readonly kind: "process" | "machine";
  readonly sentence: string;
  /** What the launcher ends with. */
  readonly status: number;
}

/** What one machine's processes came to, once all have ended; the first failure among them is told when it happens. */
export interface Report {
  /** Some were asked to stop, and did. */
  readonly stopped: boolean;
  /** Ranks that had to be killed because they did not end by themselves. */
  readonly forced: readonly number[];
  /** The signal that this machine's launcher passed on. */
  readonly signal: NodeJS.Signals | undefined;
}

/** A process that was asked to stop, wrote a checkpoint and can be resumed: EX_TEMPFAIL of sysexits.h. */
export const stoppedStatus = 75;
/** Wrong settings (src/cli/main.ts): another start would end the same way. */
const usageStatus = 2;

export function isFailure(ending: Ending): boolean {
  return ending.kind !== "exited" || (ending.status !== 0 && ending.status !== stoppedStatus);
}

/** As a shell says it. */
export function statusOf(ending: Ending): number {
  if (ending.kind === "exited") return ending.status;
  return ending.kind === "killed" ? statusOfSignal(ending.signal) : 1;
}

export function statusOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export function describeEnding(ending: Ending): string {
  if (ending.kind === "exited") return `ended with status ${ending.status}`;
  return ending.kind === "killed" ? `was killed by ${ending.signal}` : `could not be started: ${ending.reason}`;
}

/** The whole run's outcome. */
export interface Outcome {
  readonly status: number;
  /** What to say last. */
  readonly lines: readonly string[];
}

/** `failures` in the order in which they were told. */
export function outcomeOf(failures: readonly Failure[], reports: readonly Report[]): Outcome {
  const forced = reports.flatMap((report) => report.forced).map((rank) => `rank ${rank} did not end and was killed`);
  // A machine's silence is noticed later than that other processes fail for it.
  const cause = failures.find(({ kind }) => kind === "machine") ?? failures[0];
  if (cause !== undefined) return { status: cause.status, lines: [...forced, cause.sentence] };
  const signal = reports.find((report) => report.signal !== undefined)?.signal;
  if (forced.length > 0 && signal !== undefined) return { status: statusOfSignal(signal), lines: forced };
  return { status: reports.some(({ stopped }) => stopped) ? stoppedStatus : 0, lines: [] };
}

/** Whether starting all processes again can help. */
export function canRestart(failures: readonly Failure[], reports: readonly Report[]): boolean {
  const mendable = ({ kind, status }: Failure): boolean => kind === "process" && status !== usageStatus;
  return failures.length > 0 && failures.every(mendable) && reports.every(({ signal }) => signal === undefined);
}
