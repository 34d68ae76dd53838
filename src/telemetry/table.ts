// The table that a run closes with.
import { formatCount, formatPercent, formatTimesChance, printable } from "./format.ts";
import type { EvalResult } from "./metrics.ts";

const header = ["split", "metric", "value", "chance", "vs chance", "count"];
const textColumns = 2;

/** The results as lines of text, figures right-aligned, a blank line between splits; no line end after the last. */
export function formatResults(results: readonly EvalResult[]): string {
  if (results.length === 0) return "no results";
  const rows = [header, ...results.map(toCells)];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => align(cell, column, widths[column]!)).join("  "));
  const rule = widths.map((width) => "─".repeat(width)).join("──");
  return lines.flatMap((line, index) => [...separator(results, index, rule), line.trimEnd()]).join("\n");
}

function toCells(result: EvalResult): string[] {
  return [
    oneLine(result.split),
    oneLine(result.metric),
    formatPercent(result.value),
    formatPercent(result.chance),
    formatTimesChance(result.value, result.chance),
    formatCount(result.count),
  ];
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, " ");
}

function align(cell: string, column: number, width: number): string {
  return column < textColumns ? cell.padEnd(width) : cell.padStart(width);
}

/** What stands above line `index` of the table, whose line 0 is the header. */
function separator(results: readonly EvalResult[], index: number, rule: string): string[] {
  if (index === 1) return [rule];
  return index > 1 && results[index - 1]!.split !== results[index - 2]!.split ? [""] : [];
}
