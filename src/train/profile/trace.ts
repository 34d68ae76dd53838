// A recording in the trace event format of Chrome, which chrome://tracing and Perfetto show.
import { flopOf, type Recording, type Summary } from "./summary.ts";

interface TraceEvent {
  readonly name: string;
  /** "X": something with a duration. */
  readonly ph: "X";
  readonly cat: "phase" | "operator";
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

const shortest = 0.005; // ms; what is shorter cannot be seen, and would make up most of the file

/** As JSON. Phases and operators lie within each other on one line; the summary stands beside them as `otherData`. */
export function formatTrace(recording: Recording, summary: Summary): string {
  const place = { pid: process.pid, tid: 1 };
  const micro = (milliseconds: number): number => Math.round(milliseconds * 1e4) / 10;
  const at = ({ start, duration }: { start: number; duration: number }) => ({
    ts: micro(start - recording.start),
    dur: micro(duration),
    ...place,
  });
  const phases = recording.spans.map((span): TraceEvent => ({ name: span.name, ph: "X", cat: "phase", ...at(span) }));
  const operators = recording.runs
    .filter(({ duration }) => duration >= shortest)
    .map((run): TraceEvent => {
      const { name, product } = run;
      const args = product && { args: { ...product, gflops: flopOf(run) / run.duration / 1e6 } };
      return { name, ph: "X", cat: "operator", ...at(run), ...args };
    });
  return JSON.stringify({ traceEvents: [...phases, ...operators], displayTimeUnit: "ms", otherData: summary });
}
