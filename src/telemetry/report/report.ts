// The report of a run: one HTML page that needs no network and no server.
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { EvalResult, EventRecord, MetricsRecord } from "../metrics.ts";
import { buildCharts, type Chart } from "./curves.ts";
import { type Html, html, json, verbatim } from "./html.ts";
import { script } from "./script.ts";
import {
  chartsSection,
  detailsSection,
  type GalleryRow,
  gallerySection,
  resultsSection,
  timingsSection,
} from "./sections.ts";
import { style } from "./style.ts";

export interface ReportOptions {
  /** Where the page is written. */
  readonly path: string;
  readonly title: string;
  /** Short paragraphs below the title. */
  readonly summary: readonly string[];
  /** The run's configuration, nested as it is. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly metrics: readonly MetricsRecord[];
  readonly results: readonly EvalResult[];
  readonly gallery: readonly GalleryRow[];
  /** What a reader must know about the figures: licences, limits. */
  readonly notes: readonly string[];
  /** Seconds of each part of the run. */
  readonly timings: Readonly<Record<string, number>>;
}

/** Writes the page in one piece: a reader never sees half of it. */
export function writeReport(options: ReportOptions): void {
  const partial = `${options.path}.${process.pid}.partial`;
  writeFileSync(partial, renderReport(options));
  renameSync(partial, options.path);
}

/** The page's text. Everything that comes in is escaped, and its content security policy runs no script but ours and loads nothing. */
export function renderReport(options: Omit<ReportOptions, "path">): string {
  const charts = buildCharts(options.metrics);
  const events = options.metrics.filter((record): record is EventRecord => record.kind === "event");
  const scripts = charts.length === 0 ? [] : [uPlotFile("uPlot.iife.min.js"), script];
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${options.title}</title>
<style>${verbatim(charts.length === 0 ? "" : uPlotFile("uPlot.min.css"))}${verbatim(style)}</style>
</head><body><main>
<header><h1>${options.title}</h1><div class="lead">${options.summary.map((text) => html`<p>${text}</p>`)}</div></header>
${isEmpty(options, charts) ? html`<section><p class="hint">This run has no figures yet.</p></section>` : ""}
${resultsSection(options.results)}
${gallerySection(options.gallery)}
${chartsSection(charts)}
${timingsSection(options.timings)}
${detailsSection(options.notes, events, options.settings)}
<footer>Made by fastclip.</footer>
</main>
${chartScripts(charts, scripts)}
</body></html>
`.text;
}

function isEmpty(options: Omit<ReportOptions, "path">, charts: readonly Chart[]): boolean {
  return options.results.length + options.gallery.length + charts.length === 0;
}

function chartScripts(charts: readonly Chart[], scripts: readonly string[]): Html {
  if (charts.length === 0) return html``;
  return html`<script type="application/json" id="charts">${json(charts)}</script>
<!-- uPlot draws the curves. Its licence:
${verbatim(uPlotFile("../LICENSE"))}-->
${scripts.map((text) => html`<script>${verbatim(text)}</script>`)}`;
}

function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`);
  const allowed = hashes.length === 0 ? "'none'" : hashes.join(" ");
  return `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${allowed}`;
}

function uPlotFile(name: string): string {
  const folder = dirname(createRequire(import.meta.url).resolve("uplot"));
  return readFileSync(join(folder, name), "utf8");
}
