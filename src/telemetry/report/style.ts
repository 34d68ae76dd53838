// The report's style sheet: system fonts, one accent colour, light and dark.

const light = `
  color-scheme: light;
  --page: #f9f9f7; --surface: #ffffff; --line: #e4e3de; --grid: #ecebe6;
  --ink: #151513; --soft: #53524e; --faint: #77756f;
  --accent: #2a78d6; --noise: #b4d0f0; --wash: #e6effa; --good: #0b7a3b; --bad: #a8443a;
  --s0: #2a78d6; --s1: #17936a; --s2: #b97800; --s3: #4a3aa7; --s4: #d8443f; --s5: #c2487f;`;

const dark = `
  color-scheme: dark;
  --page: #111110; --surface: #1a1a19; --line: #32312e; --grid: #2a2927;
  --ink: #f4f3ef; --soft: #bdbbb3; --faint: #918f87;
  --accent: #5a9ef0; --noise: #2f4d73; --wash: #1f2d40; --good: #55c788; --bad: #ee8a80;
  --s0: #5a9ef0; --s1: #25b184; --s2: #cf9320; --s3: #9a90ea; --s4: #ec7371; --s5: #dd7fa8;`;

export const style: string = `
:root { ${light} }
@media screen and (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  -webkit-text-size-adjust: 100%; overflow-wrap: anywhere;
}
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 0.75rem; }
h2 { font-size: 1.125rem; margin: 0 0 0.35rem; letter-spacing: -0.005em; }
section { margin-top: 2.75rem; }
p { margin: 0; }
.lead, .hint { max-width: 46rem; color: var(--soft); }
.lead p + p { margin-top: 0.25rem; }
.hint { font-size: 0.875rem; margin-bottom: 0.9rem; }
.panel { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.scroll { overflow-x: auto; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }

table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; }
caption, .away { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { padding: 0.5rem 0.9rem; text-align: left; vertical-align: baseline; overflow-wrap: normal; }
thead th, thead td { border-bottom: 1px solid var(--line); }
thead th { font-size: 0.8125rem; font-weight: 500; color: var(--faint); white-space: nowrap; }
tbody th { font-weight: 400; }
.results tbody tr:not(:first-child) > * { padding-block: 0.3rem; }
.results tbody tr:last-child > * { padding-bottom: 0.7rem; }
.results tbody th[scope="rowgroup"] { font-weight: 600; padding: 0.7rem 0.9rem 0.2rem; }
tbody + tbody { border-top: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.value { font-weight: 600; }
.quiet { color: var(--soft); }
.bar { width: 24%; min-width: 6rem; }
.bar div { position: relative; height: 0.5rem; border-radius: 4px; background: var(--wash); }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: 4px; background: var(--accent); }
.bar b { position: absolute; inset: -3px auto -3px 0; width: 2px; margin-left: -1px; background: var(--ink); border-radius: 1px; }

.charts { display: grid; gap: 0.9rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: 0; min-width: 0; }
.chart { display: flex; flex-direction: column; justify-content: space-between; padding: 0.75rem 0.75rem 0.5rem; }
.chart.wide { grid-column: 1 / -1; }
.chart figcaption { display: flex; flex-wrap: wrap; gap: 0 0.75rem; align-items: baseline; padding: 0 0.25rem 0.4rem; }
.chart h3 { font-size: 0.9375rem; font-weight: 600; margin: 0 auto 0 0; }
.chart:not(.wide) .readout { flex-basis: 100%; }
.readout { display: flex; flex-wrap: wrap; gap: 0 0.7rem; font-size: 0.8125rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.readout b { font-weight: 600; color: var(--ink); }
.key { display: inline-block; width: 0.8em; height: 3px; border-radius: 2px; vertical-align: 0.25em; margin-right: 0.35em; }
.plot { height: 170px; }
.wide .plot { height: 240px; }
.uplot .u-select { background: var(--accent); opacity: 0.12; }
.u-hz .u-cursor-x { border-right: 1px solid var(--faint); }

.queries { display: grid; gap: 0.9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.query { padding: 0.75rem 0.9rem 0.9rem; }
.query h3 { display: flex; gap: 0.75rem; justify-content: space-between; font-size: 0.9375rem; font-weight: 600; margin: 0 0 0.55rem; }
.query h3 small { font-weight: 400; font-size: 0.8125rem; color: var(--faint); white-space: nowrap; }
.query ol { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 0.5rem; margin: 0; padding: 0; list-style: none; }
.picture { display: block; aspect-ratio: 1; border: 1px solid var(--line); border-radius: 8px; background: #fff; overflow: hidden; }
.picture img { display: block; width: 100%; height: 100%; object-fit: contain; padding: 6%; }
.right .picture { border-color: var(--good); box-shadow: 0 0 0 1px var(--good); }
.missing { display: grid; place-items: center; font-size: 0.75rem; color: #77756f; text-align: center; }
.query figcaption { font-size: 0.75rem; line-height: 1.35; margin-top: 0.35rem; color: var(--soft); }
.query figcaption bdi {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
}
.score { font-variant-numeric: tabular-nums; color: var(--faint); }
.right .score { color: var(--good); font-weight: 600; }

details { overflow: hidden; }
details + details, .panel + details { margin-top: 0.9rem; }
summary { cursor: pointer; padding: 0.65rem 0.9rem; font-weight: 600; }
summary small { font-weight: 400; color: var(--faint); font-size: 0.8125rem; margin-left: 0.35rem; }
details[open] summary { border-bottom: 1px solid var(--line); }
.settings th { width: 40%; color: var(--soft); }
.settings th, .settings td { font: 0.8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; padding-block: 0.2rem; }
.settings tr:first-child > * { padding-top: 0.5rem; }
.settings tr:last-child > * { padding-bottom: 0.5rem; }
.list { margin: 0; padding: 0.65rem 0.9rem 0.65rem 2rem; }
.list li + li { margin-top: 0.3rem; }
.list strong { font-weight: 600; }
.list .error strong { color: var(--bad); }
footer { margin-top: 3rem; font-size: 0.8125rem; color: var(--faint); }

@media (max-width: 36rem) {
  main { padding: 1.5rem 0.9rem 3rem; }
  h1 { font-size: 1.4rem; }
  th, td { padding-inline: 0.5rem; }
  .bar { display: none; }
  .query ol { gap: 0.4rem; }
  .results { font-size: 0.8125rem; }
  .results thead th { font-size: 0.75rem; }
  .results tbody th[scope="rowgroup"] { padding-inline: 0.5rem; }
}
@media print {
  .query, .chart { break-inside: avoid; }
}
`;
