// The sections of the report, from top to bottom. A section without content is empty text.
import { formatCount, formatDuration, formatNumber, formatPercent, formatTimesChance } from "../format.ts";
import type { EvalResult, EventRecord } from "../metrics.ts";
import type { Chart } from "./curves.ts";
import { type Html, html } from "./html.ts";

/** A text query and the pictures found for it, the nearest first. */
export interface GalleryRow {
  readonly query: string;
  readonly items: readonly GalleryItem[];
}

interface GalleryItem {
  /** A `data:image/` address: the page loads nothing. */
  readonly image: string;
  readonly caption: string;
  /** Cosine similarity of query and picture. */
  readonly score: number;
  readonly correct: boolean;
}

const none: Html = html``;
/** Events shown: a run over a damaged data set can have a warning for each picture. */
const mostEvents = 200;

export function resultsSection(results: readonly EvalResult[]): Html {
  if (results.length === 0) return none;
  const splits = [...new Set(results.map((result) => result.split))];
  return html`<section aria-labelledby="results"><h2 id="results">Results</h2>
<p class="hint">The thin mark on a bar is chance: what guessing would reach.</p>
<div class="panel scroll" tabindex="0" role="region" aria-labelledby="results"><table class="results">
<caption>Evaluation results with chance level</caption>
<thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th>
<td class="bar"></td><th scope="col" class="number">Chance</th><th scope="col" class="number">vs chance</th>
<th scope="col" class="number">Count</th></tr></thead>
${splits.map((split) => splitRows(results.filter((result) => result.split === split)))}
</table></div></section>`;
}

function splitRows(results: readonly EvalResult[]): Html {
  return html`<tbody><tr><th scope="rowgroup" colspan="6">${results[0]!.split}</th></tr>
${results.map(resultRow)}</tbody>`;
}

function resultRow({ metric, value, chance, count }: EvalResult): Html {
  return html`<tr><th scope="row">${metric}</th><td class="number value">${formatPercent(value)}</td>
<td class="bar" aria-hidden="true"><div><i style="width:${width(value)}"></i><b style="left:${width(chance)}"></b></div></td>
<td class="number quiet">${formatPercent(chance)}</td><td class="number quiet">${formatTimesChance(value, chance)}</td>
<td class="number quiet">${formatCount(count)}</td></tr>
`;
}

function width(share: number): string {
  return `${(Math.min(1, Math.max(0, share || 0)) * 100).toFixed(2)}%`;
}

export function chartsSection(charts: readonly Chart[]): Html {
  if (charts.length === 0) return none;
  return html`<section aria-labelledby="curves"><h2 id="curves">Training</h2>
<p class="hint">Against the step; a mean is taken over a fiftieth of the run. Drag over a curve to look closer, double-click to go back.</p>
<noscript><p class="hint">The curves are drawn by a script, which is switched off here.</p></noscript>
<div class="charts">${charts.map(chartFigure)}</div></section>`;
}

function chartFigure(chart: Chart): Html {
  const last = chart.x.length - 1;
  const readout = chart.series.map((series) => {
    const value = series.values[last] ?? null;
    return html`<span>${key(chart, series.tone)}${chart.series.length > 1 ? `${series.label} ` : ""}<b>${
      value === null ? "–" : formatNumber(value)
    }${chart.unit}</b></span>`;
  });
  return html`<figure class="${chart.wide ? "panel chart wide" : "panel chart"}"><figcaption><h3>${chart.title}</h3>
<span class="readout"><span class="at">step ${formatCount(chart.x[last]!)}</span>${readout}</span></figcaption>
<div class="plot" role="img" aria-label="${describe(chart)}"></div></figure>
`;
}

function key(chart: Chart, tone: Chart["series"][number]["tone"]): Html {
  if (chart.series.length === 1) return none;
  const color = tone === "main" ? "accent" : tone === "noise" ? "noise" : `s${tone}`;
  return html`<span class="key" style="background:var(--${color})"></span>`;
}

/** The curve in words, for who cannot see it. */
function describe(chart: Chart): string {
  const curves = chart.series.filter((series) => series.tone !== "noise");
  const words = curves.map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    const [first, final] = [known[0] ?? Number.NaN, known.at(-1) ?? Number.NaN];
    return `${label} from ${formatNumber(first)}${chart.unit} to ${formatNumber(final)}${chart.unit}`;
  });
  return `${chart.title}, steps ${chart.x[0]} to ${chart.x.at(-1)}: ${words.join("; ")}`;
}

export function gallerySection(gallery: readonly GalleryRow[]): Html {
  if (gallery.length === 0) return none;
  return html`<section aria-labelledby="pictures"><h2 id="pictures">Text queries and the nearest pictures</h2>
<p class="hint">The nearest first, with the cosine similarity. A green frame and a tick mark a picture that the query belongs to.</p>
<div class="queries">${gallery.map(galleryRow)}</div></section>`;
}

function galleryRow(row: GalleryRow): Html {
  const right = row.items.filter((item) => item.correct).length;
  return html`<article class="panel query"><h3><bdi>${row.query}</bdi><small>${right} of ${row.items.length} right</small></h3>
<ol>${row.items.map(galleryItem)}</ol></article>
`;
}

function galleryItem(item: GalleryItem): Html {
  const picture = /^data:image\/[\w.+-]+[;,]/.test(item.image)
    ? html`<span class="picture"><img src="${item.image}" alt="${item.caption}"></span>`
    : html`<span class="picture missing">no picture</span>`;
  const score = Number.isFinite(item.score) ? item.score.toFixed(3) : "–";
  return html`<li${item.correct ? html` class="right"` : none}><figure>${picture}<figcaption title="${item.caption}">
<span class="score">${item.correct ? html`<span class="away">right, </span><span aria-hidden="true">✓ </span>` : none}${score}</span>
<bdi>${item.caption}</bdi></figcaption></figure></li>`;
}

export function timingsSection(timings: Readonly<Record<string, number>>): Html {
  const rows = Object.entries(timings);
  if (rows.length === 0) return none;
  const total = rows.reduce((sum, [, seconds]) => sum + (seconds || 0), 0);
  return html`<section aria-labelledby="time"><h2 id="time">Time</h2><p class="hint">${formatDuration(total)} in all.</p>
<div class="panel scroll"><table><caption>Time spent in each part of the run</caption>
<thead class="away"><tr><th scope="col">Part</th><th scope="col">Time</th><td></td></tr></thead>
<tbody>${rows.map(
    ([name, seconds]) => html`<tr><th scope="row">${name}</th><td class="number value">${formatDuration(seconds)}</td>
<td class="bar" aria-hidden="true"><div><i style="width:${width(seconds / total)}"></i></div></td></tr>
`,
  )}</tbody></table></div></section>`;
}

/** Notes, warnings and settings: what a reader looks up. */
export function detailsSection(
  notes: readonly string[],
  events: readonly EventRecord[],
  settings: Readonly<Record<string, unknown>>,
): Html {
  const parts = [notesPanel(notes), eventsPanel(events), settingsPanel(flatten(settings))].filter(
    (part) => part !== none,
  );
  return parts.length === 0
    ? none
    : html`<section aria-labelledby="about"><h2 id="about">About this run</h2>${parts}</section>`;
}

function notesPanel(notes: readonly string[]): Html {
  if (notes.length === 0) return none;
  return html`<div class="panel"><ul class="list">${notes.map((note) => html`<li>${note}</li>`)}</ul></div>`;
}

function eventsPanel(events: readonly EventRecord[]): Html {
  const shown = events.filter((event) => event.level !== "info");
  if (shown.length === 0) return none;
  const more = shown.length > mostEvents ? html`<li>and ${formatCount(shown.length - mostEvents)} more</li>` : none;
  return html`<details class="panel"><summary>Warnings and errors <small>${formatCount(shown.length)}</small></summary>
<ul class="list">${shown
    .slice(0, mostEvents)
    .map(
      (event) =>
        html`<li class="${event.level}"><strong>${event.level}${
          event.step === undefined ? "" : ` at step ${formatCount(event.step)}`
        }</strong> ${event.message}</li>`,
    )}${more}</ul></details>`;
}

function settingsPanel(rows: readonly (readonly [string, string])[]): Html {
  if (rows.length === 0) return none;
  return html`<details class="panel"><summary>Settings <small>${rows.length}</small></summary><div class="scroll">
<table class="settings"><caption>Settings of this run</caption><tbody>${rows.map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>
`,
  )}</tbody></table></div></details>`;
}

/** Nested settings as rows: `{ loss: { rho: 6.5 } }` becomes `loss.rho` and `6.5`. */
function flatten(settings: Readonly<Record<string, unknown>>, prefix = ""): [string, string][] {
  return Object.entries(settings).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    const isGroup =
      typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
    if (isGroup) return flatten(value as Record<string, unknown>, `${prefix}${name}.`);
    return [[prefix + name, typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))]];
  });
}
