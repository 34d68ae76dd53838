// What launchers tell each other.
import type { Attempt } from "./attempt.ts";
import type { Failure, Outcome, Report } from "./ending.ts";

/** How a launcher introduces itself to that of node 0. */
export interface Hello {
  readonly kind: "hello";
  readonly node: number;
  /** How many machines it was told of. */
  readonly nodes: number;
  /** How many processes it starts. */
  readonly processes: number;
  readonly host: string;
}

export type ToHead =
  | Hello
  | { readonly kind: "failed"; readonly failure: Failure }
  | { readonly kind: "ended"; readonly report: Report };

export type FromHead =
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "start"; readonly attempt: Attempt }
  | { readonly kind: "stop"; readonly failure: Failure }
  | { readonly kind: "finished"; readonly outcome: Outcome };
