// What all benches do alike: medians, the machine in words, and tables into the documentation.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { native } from "../../src/native/addon.ts";
import { engineInfo } from "../../src/tensor/index.ts";

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The machine, the versions and how busy it is, as they stand under a table. */
export function describeMachine(peer: string): string {
  const load = loadavg()[0]!.toFixed(1);
  const { version, cpuCapability } = engineInfo();
  const instructions = native.hasAmx() ? `${cpuCapability}, AMX` : cpuCapability;
  return `${cpus().length} cores, ${cpus()[0]?.model} (${instructions}); Node ${process.version}, libtorch and Python's torch ${version}, ${peer}; load average ${load} at the end`;
}

/** The most memory that a process has had resident, in bytes (Linux: VmHWM). */
export function peakResidentBytes(): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  if (kilobytes === undefined) throw new Error("/proc/self/status has no VmHWM: this bench needs Linux");
  return Number(kilobytes) * 1024;
}

/** From now on `peakResidentBytes` tells of what comes; returns what is resident now, in bytes. */
export function resetPeakResident(): number {
  writeFileSync("/proc/self/clear_refs", "5");
  return peakResidentBytes();
}

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  /** Words, which stand on the left; numbers stand on the right. */
  readonly isText?: boolean;
}

export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(({ head }) => head)),
    line(columns.map(({ isText }) => (isText ? "---" : "---:"))),
    ...rows.map((row) => line(columns.map(({ cell }) => cell(row)))),
  ].join("\n");
}

/** Three digits, and whole numbers from 100 on. */
export function short(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export interface Outcome {
  /** Of the bench, as in the markers around its table. */
  readonly name: string;
  /** The table and the sentences under it. */
  readonly markdown: string;
  /** All that was measured, for --json. */
  readonly data: object;
}

/** Prints the outcome; `json` names a file for its data, and with `docs` it takes its place in docs/performance.md. */
export function tell({ name, markdown, data }: Outcome, { json, docs }: { json?: string; docs?: boolean }): void {
  console.log(markdown);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(data, null, 2)}\n`);
  if (docs) replaceBlock(join(import.meta.dirname, "../../docs/performance.md"), { name, markdown });
}

/** Puts the text between `<!-- bench NAME -->` and `<!-- end NAME -->`; on a CPU with AMX, of NAME-amx where the text has such. */
function replaceBlock(path: string, { name, markdown }: Pick<Outcome, "name" | "markdown">): void {
  const text = readFileSync(path, "utf8");
  const ofCpu = native.hasAmx() && text.includes(`<!-- bench ${name}-amx -->`) ? `${name}-amx` : name;
  const [begin, end] = [`<!-- bench ${ofCpu} -->`, `<!-- end ${ofCpu} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path}: expected ${begin} and then ${end}`);
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n${markdown}\n${text.slice(to)}`);
}
