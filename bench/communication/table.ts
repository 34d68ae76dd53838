// The benchmark's rows as a Markdown table.
import type { Messages, Shape, SideName } from "./messages.ts";

export interface Row extends Shape {
  readonly link: string;
  readonly side: SideName;
  /** A step's bytes: counted, and equal to the formulas. */
  readonly bytes: Messages;
  /** A step's bytes on the links, for each rank; with headers. */
  readonly wireBytes: number;
  /** Of a step: the median of turns, and the fastest turn. */
  readonly milliseconds: number;
  readonly fastest: number;
  readonly inCollectives: number;
  /** Times OpenCLIP's time in the same turn, the median of turns. */
  readonly toOpenClip: number;
}

const header = [
  "ranks",
  "link",
  "side",
  "features gathered",
  "scalars, ids",
  "feature gradients",
  "on the wire, a rank",
  "ms a step",
  "in collectives",
  "times OpenCLIP",
];

export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    `${row.ranks}`,
    row.link,
    row.side,
    count(row.bytes.features),
    count(row.bytes.scalars + row.bytes.ids),
    count(row.bytes.featureGradients),
    count(row.wireBytes),
    short(row.milliseconds),
    short(row.inCollectives),
    row.toOpenClip.toFixed(2),
  ]);
  const markdown = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [markdown(header), markdown(header.map((_, i) => (i < 3 ? "---" : "---:"))), ...lines.map(markdown)].join(
    "\n",
  );
}

const count = (bytes: number): string => bytes.toLocaleString("en-US");

const short = (milliseconds: number): string =>
  milliseconds >= 100 ? milliseconds.toFixed(0) : milliseconds.toFixed(1);
