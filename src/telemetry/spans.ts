// What the main thread is doing, as named spans of time within each other. They are recorded only while somebody asks; else a span
// costs one call.

/** Times are milliseconds; `start` is on the clock of `performance.now()`. */
export interface Span {
  readonly name: string;
  readonly start: number;
  readonly duration: number;
  /** The duration without the spans within it. */
  readonly own: number;
}

interface Open {
  readonly name: string;
  readonly start: number;
  /** It ends where the next mark stands, or with the span that it is in. */
  readonly isMark: boolean;
  within: number;
}

interface Recording {
  /** The outermost first. */
  readonly open: Open[];
  readonly ended: Span[];
}

let recording: Recording | undefined;

/** Begins to record; what this returns ends it, and hands over the spans that ended meanwhile. */
export function recordSpans(): () => Span[] {
  if (recording !== undefined) throw new Error("spans are recorded already");
  const own: Recording = { open: [], ended: [] };
  recording = own;
  return () => {
    recording = undefined;
    return own.ended;
  };
}

/** Runs `body` as a span. */
export function span<T>(name: string, body: () => T): T {
  const leave = enter(name);
  try {
    return body();
  } finally {
    leave();
  }
}

/** The same for what others may not do anything beside: spans of this thread lie within each other. */
export async function spanAsync<T>(name: string, body: () => Promise<T>): Promise<T> {
  const leave = enter(name);
  try {
    return await body();
  } finally {
    leave();
  }
}

/** A span from here to the next mark of the span that this is in, or to its end. */
export function mark(name: string): void {
  if (recording === undefined) return;
  const last = recording.open.at(-1);
  if (last?.isMark) end(recording, last);
  recording.open.push({ name, start: performance.now(), isMark: true, within: 0 });
}

/** A span that ends now, and was not known before to be one. Spans that have ended give up what they share with it. */
export function pastSpan(name: string, milliseconds: number): void {
  if (recording === undefined || milliseconds <= 0) return;
  const { ended, open } = recording;
  const start = performance.now() - milliseconds;
  let unshared = milliseconds;
  for (let i = ended.length - 1; i >= 0; i--) {
    const earlier = ended[i]!;
    const shared = earlier.start + earlier.duration - Math.max(start, earlier.start);
    if (shared <= 0) break;
    const given = Math.min(shared, earlier.own, unshared);
    ended[i] = { ...earlier, own: earlier.own - given };
    unshared -= given;
  }
  ended.push({ name, start, duration: milliseconds, own: milliseconds });
  const around = open.at(-1);
  if (around !== undefined) around.within += unshared;
}

function enter(name: string): () => void {
  const current = recording;
  if (current === undefined) return () => {};
  const opened: Open = { name, start: performance.now(), isMark: false, within: 0 };
  current.open.push(opened);
  return () => end(current, opened);
}

/** Ends a span, and the marks in it. */
function end(current: Recording, opened: Open): void {
  const now = performance.now();
  let last: Open | undefined;
  do {
    last = current.open.pop();
    if (last === undefined) return;
    const { name, start, within } = last;
    const duration = now - start;
    current.ended.push({ name, start, duration, own: duration - within });
    const around = current.open.at(-1);
    if (around !== undefined) around.within += duration;
  } while (last !== opened);
}
