// The benchmark's rows as a Markdown table.
import { type Column, markdownTable, short } from "../support/measure.ts";
import type { Agreement } from "./agree.ts";
import type { Case } from "./messages.ts";

export interface Row extends Case {
  /** What OpenCLIP runs with. */
  readonly peer: string;
  /** The tokens of a text that our tower works on, in the mean; OpenCLIP's has all positions. */
  readonly textTokens: number;
  readonly agreement: Agreement;
  /** Of a step: the medians of turns. */
  readonly milliseconds: number;
  readonly peerMilliseconds: number;
  /** OpenCLIP's time over ours in the same turn, the median of turns. */
  readonly timesAsFast: number;
  /** The same of CPU time, which other programs on the machine change less. */
  readonly timesAsFastByCpu: number;
  readonly peakBytes: number;
  readonly peerPeakBytes: number;
  /** Floating-point operations of our step in a CPU-second, and as a share of a matrix product's; not for a ResNet. */
  readonly speed?: { readonly flops: number; readonly ofProduct: number };
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);

const columns: readonly Column<Row>[] = [
  { head: "model", cell: ({ model }) => model, isText: true },
  { head: "batch", cell: ({ batch }) => `${batch}` },
  { head: "precision", cell: ({ precision }) => precision, isText: true },
  { head: "captions", cell: ({ captions, textTokens }) => `${captions} (${short(textTokens)} tokens)`, isText: true },
  { head: "loss", cell: ({ loss }) => loss, isText: true },
  { head: "OpenCLIP with", cell: ({ peer }) => peer, isText: true },
  {
    head: "ms a step",
    cell: ({ milliseconds, peerMilliseconds }) => `${short(milliseconds)} and ${short(peerMilliseconds)}`,
  },
  {
    head: "samples/s",
    cell: ({ batch, milliseconds, peerMilliseconds }) =>
      `${short((batch * 1000) / milliseconds)} and ${short((batch * 1000) / peerMilliseconds)}`,
  },
  { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
  { head: "by CPU time", cell: ({ timesAsFastByCpu }) => timesAsFastByCpu.toFixed(2) },
  {
    head: "peak memory, GB",
    cell: ({ peakBytes, peerPeakBytes }) => `${gigabytes(peakBytes)} and ${gigabytes(peerPeakBytes)}`,
  },
  { head: "of OpenCLIP's", cell: ({ peakBytes, peerPeakBytes }) => (peakBytes / peerPeakBytes).toFixed(2) },
  {
    head: "GFLOP a CPU-second, of a product's",
    cell: ({ speed }) => (speed ? `${short(speed.flops / 1e9)}, ${(100 * speed.ofProduct).toFixed(0)} %` : "-"),
  },
];

export const stepTable = (rows: readonly Row[]): string => markdownTable(columns, rows);
