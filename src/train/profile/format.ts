// A profile as tables of text.
import { formatPercent } from "../../telemetry/format.ts";
import type { DType, Product } from "../../tensor/index.ts";
import type { Summary } from "./summary.ts";

const operatorsShown = 10;

/** What a product of matrices alone reaches, in floating-point operations a second. */
export interface Reference {
  readonly product: Product;
  readonly dtype: DType;
  readonly flops: number;
}

/** Lines: where the time of a step went, its costliest operators, and what its arithmetic reached. */
export function formatProfile(summary: Summary, reference: Reference | undefined): string[] {
  const { steps, milliseconds: whole, phases, operators } = summary;
  const share = (milliseconds: number): string[] => [milliseconds.toFixed(2), formatPercent(milliseconds / whole)];
  return [
    `profile of ${steps} steps: ${whole.toFixed(1)} ms a step`,
    "",
    ...columns([["phase", "ms", "share"], ...phases.map(({ name, milliseconds }) => [name, ...share(milliseconds)])]),
    "",
    ...columns([
      ["operator", "ms", "share", "calls", "GFLOP/s"],
      ...operators
        .slice(0, operatorsShown)
        .map(({ name, milliseconds, calls, flops }) => [
          name,
          ...share(milliseconds),
          String(Math.round(calls)),
          flops === undefined ? "" : giga(flops),
        ]),
    ]),
    "",
    ...formatArithmetic(summary, reference),
  ];
}

function formatArithmetic({ flop, flops, milliseconds }: Summary, reference: Reference | undefined): string[] {
  if (reference === undefined) return ["no products of matrices were recorded"];
  const { m, k, n } = reference.product;
  return [
    `${giga(flop)} GFLOP a step in products of matrices, convolutions and attention: ${giga((flop / milliseconds) * 1000)} GFLOP/s over the whole step, ${giga(flops)} while they run;`,
    `a product of [${m}, ${k}] and [${k}, ${n}] in ${reference.dtype}, alone and in memory that it knows, reaches ${giga(reference.flops)} GFLOP/s`,
  ];
}

function giga(value: number): string {
  const size = value / 1e9;
  return size.toFixed(size < 10 ? 2 : 0);
}

/** The first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}
