// What to say when a collective fails.
import type { Meeting } from "./environment.ts";
import { nameRanks } from "./meeting.ts";
import type { State } from "./presence.ts";

/** A collective failed because of another process; this one can take part in none any more. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  /** Ranks that were killed, stopped or cut off. */
  readonly lost: readonly number[];

  constructor(message: string, lost: readonly number[], cause: unknown) {
    super(message, { cause });
    this.lost = lost;
  }
}

/** `states` of the other ranks; undefined when the store was gone. */
export function peerError(
  what: string,
  cause: Error,
  meeting: Meeting,
  states?: ReadonlyMap<number, State>,
): PeerError {
  if (states === undefined) {
    const server = meeting.servedBy === "rank 0" ? "rank 0" : "the launcher";
    const message = `${what} failed: ${server}, which served the store at ${meeting.host}:${meeting.port}, is gone`;
    return new PeerError(message, meeting.servedBy === "rank 0" ? [0] : [], cause);
  }
  const lost = [...states].filter(([, { kind }]) => kind === "lost").map(([rank]) => rank);
  const reason = explain(states, lost) ?? `${reasonOf(cause)}; ${whereabouts(states)}`;
  return new PeerError(`${what} failed: ${reason}`, lost, cause);
}

function explain(states: ReadonlyMap<number, State>, lost: readonly number[]): string | undefined {
  if (lost.length > 0) {
    const phases = new Set(lost.map((rank) => phaseOf(states.get(rank)!)));
    return `${nameRanks(lost)} ${lost.length > 1 ? "are" : "is"} lost, last seen in ${[...phases].join(", ")}`;
  }
  for (const [rank, state] of states) if (state.kind === "ended") return `rank ${rank} has ended: ${state.reason}`;
  return undefined;
}

/** What those do that live and did not take part. */
function whereabouts(states: ReadonlyMap<number, State>): string {
  const most = 8;
  const each = [...states].slice(0, most).map(([rank, state]) => `rank ${rank} is in ${phaseOf(state)}`);
  const more = states.size > most ? `, ${states.size - most} more live` : "";
  return each.join(", ") + more;
}

function phaseOf(state: State): string {
  return state.kind === "ended" ? "its end" : `"${state.phase}"`;
}

/** Gloo's messages begin with a place in its sources. */
function reasonOf(error: Error): string {
  return error.message.replace(/^\[[^\]]*\]\s*/, "");
}
