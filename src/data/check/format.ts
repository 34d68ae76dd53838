// The report as lines of text.
import { formatBytes, formatCount, formatNumber, formatPercent, printable } from "../../telemetry/format.ts";
import type { FaultCause } from "../faults.ts";
import { leastBytes } from "./language.ts";
import type { Quantiles } from "./quantiles.ts";
import type { BatchReport, CheckReport, ContentReport, Counted, Duplicates, SampleName, Share } from "./report.ts";

const labelWidth = 20;
const cellWidth = 9;
/** Languages and scripts that are named; the JSON file has all. */
const shownShares = 8;

/** The report for people; no line end after the last line. */
export function formatReport(report: CheckReport): string {
  const { content } = report;
  const parts = [
    [...overview(report), ...leftOut(report)],
    ...(content === undefined ? [] : contentParts(content, report.samples)),
    verdict(report),
  ];
  return parts.map((lines) => lines.join("\n")).join("\n\n");
}

function line(label: string, value: string): string {
  return `${label.padEnd(labelWidth)}${printable(value).replace(/\s+/g, " ")}`;
}

function overview({ samples, shards, content }: CheckReport): string[] {
  const bytes = content === undefined ? "" : `, ${formatBytes(content.pictures.totalBytes)} of pictures`;
  return [line("samples", `${formatCount(samples)} in ${formatCount(shards)} shards${bytes}`)];
}

function leftOut({ samples, faults: { counts, examples } }: CheckReport): string[] {
  const causes = Object.entries(counts) as [FaultCause, number][];
  const all = causes.reduce((sum, [, count]) => sum + count, 0);
  return [
    line("left out", all === 0 ? "none" : share(all, samples + all)),
    ...causes.flatMap(([cause, count]) => [
      line(`  ${cause}`, formatCount(count)),
      ...(examples[cause] ?? []).map((message) => `    ${printable(message)}`),
    ]),
  ];
}

function contentParts({ duplicates, batch, captions, pictures }: ContentReport, samples: number): string[][] {
  const { tooShort, unclear, guessed } = captions.languages;
  const long = samples - tooShort;
  return [
    [
      cells("", ["min", "5 %", "median", "95 %", "max"]),
      spread("caption tokens", captions.tokens),
      spread("caption characters", captions.characters),
      spread("picture width", pictures.width),
      spread("picture height", pictures.height),
      spread("width / height", pictures.aspect),
      spread("file bytes", pictures.bytes),
    ],
    [
      line("same picture", equal(duplicates.picture, samples)),
      line("same caption", equal(duplicates.caption, samples)),
      line("same both", equal(duplicates.both, samples)),
      line("key in more shards", equal(duplicates.key, samples)),
      ...batchLines(batch),
    ],
    [
      line(`cut at ${captions.contextLength} tokens`, counted(captions.cut, samples)),
      line("near-empty captions", counted(captions.nearEmpty, samples)),
      line("file names, links", counted(captions.fileNames, samples)),
      line("scripts", shares(captions.scripts, samples)),
      line("languages", `guessed for the ${formatCount(long)} captions of ${leastBytes} bytes or more`),
      ...(long === 0 ? [] : [line("", `${shares(guessed, long)}; unclear: ${share(unclear, long)}`)]),
    ],
    [
      line("picture files", shares(pictures.formats, samples)),
      line(`smaller than ${pictures.smaller.than}`, share(pictures.smaller.samples, samples)),
    ],
  ];
}

function spread(label: string, { min, p5, median, p95, max }: Quantiles): string {
  return cells(label, [min, p5, median, p95, max].map(formatNumber));
}

function cells(label: string, values: readonly string[]): string {
  return label.padEnd(labelWidth) + values.map((value) => value.padStart(cellWidth)).join("");
}

function batchLines({ size, sampleShare, probability }: BatchReport): string[] {
  return [
    line(`a batch of ${formatCount(size)}`, `holds a caption twice with probability ${formatPercent(probability)};`),
    line("", `${formatPercent(sampleShare)} of its pairs have another one of their caption beside them`),
  ];
}

function share(count: number, of: number): string {
  return count === 0 ? "none" : `${formatCount(count)} (${formatPercent(count / of)})`;
}

function name({ key, shard }: SampleName): string {
  return `${key} in ${shard}`;
}

function equal({ samples, contents, largest, example }: Duplicates, of: number): string {
  if (samples === 0) return "none";
  const sets = contents === 1 ? "1 set" : `${formatCount(contents)} sets, the largest of ${formatCount(largest)}`;
  return `${share(samples, of)} in ${sets}: ${example.map(name).join(", ")}${largest > example.length ? ", ..." : ""}`;
}

function counted({ samples, example }: Counted, of: number): string {
  if (example === undefined) return "none";
  return `${share(samples, of)}, the first ${name(example)}: "${example.caption}"`;
}

function shares(all: readonly Share[], of: number): string {
  const rest = all.slice(shownShares).reduce((sum, { samples }) => sum + samples, 0);
  const shown = all.slice(0, shownShares).map((one) => `${one.name} ${formatPercent(one.samples / of)}`);
  return [...shown, ...(rest > 0 ? [`others ${formatPercent(rest / of)}`] : [])].join(", ");
}

function verdict({ problems }: CheckReport): string[] {
  if (problems.length === 0) return ["The data can be trained on."];
  return problems.map((problem) => `The data cannot be trained on: ${printable(problem)}.`);
}
