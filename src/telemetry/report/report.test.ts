import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Script } from "node:vm";
import { expect, test } from "vitest";
import type { MetricsRecord } from "../metrics.ts";
import { type ReportOptions, renderReport, writeReport } from "./report.ts";

type Content = Omit<ReportOptions, "path">;

const nothing: Content = {
  title: "A run",
  summary: [],
  settings: {},
  metrics: [],
  results: [],
  gallery: [],
  notes: [],
  timings: {},
};
const pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
const hostile = `</script><img src=x onerror=alert(1)>"'&<!--`;
const escaped = "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;&lt;!--";

function train(step: number): MetricsRecord {
  const speeds = { samplesPerSecond: 300, dataWait: 0.1, residentBytes: 1e9, liveTensors: 10, time: 0 };
  return {
    kind: "train",
    step,
    epoch: 0,
    samples: step,
    loss: step,
    infoNce: 3,
    noInformation: 4.1589,
    tau: 0.05,
    gamma: 1,
    lr: 1e-3,
    ...speeds,
  };
}

function evaluation(step: number, split: string): MetricsRecord {
  return { kind: "eval", step, epoch: 0, results: [{ split, metric: split, value: 0.5, chance: 0.1, count: 10 }] };
}

/** Everything that a run can bring in, as one text. */
function reportWith(text: string): string {
  return renderReport({
    title: text,
    summary: [text],
    settings: { [text]: { [text]: text, list: [text] } },
    metrics: [train(1), evaluation(1, text), evaluation(2, text), { kind: "event", level: "error", message: text }],
    results: [{ split: text, metric: text, value: 0.5, chance: 0.1, count: 10 }],
    gallery: [
      {
        query: text,
        items: [
          { image: pixel, caption: text, score: 0.3, correct: true },
          { image: `data:image/gif,${text}`, caption: text, score: 0.2, correct: false },
        ],
      },
    ],
    notes: [text],
    timings: { [text]: 1 },
  });
}

/** Elements of the page by name, as a parser counts them: without the content of scripts and styles, and without comments. */
function elements(page: string): Record<string, number> {
  const bare = page.replace(/(<(script|style)[^>]*>).*?(<\/\2>)/gs, "$1$3").replace(/<!--.*?-->/gs, "");
  const counts: Record<string, number> = {};
  for (const [, name] of bare.matchAll(/<([a-z]\w*)/gi)) counts[name!] = (counts[name!] ?? 0) + 1;
  return counts;
}

function scriptsOf(page: string): string[] {
  return [...page.matchAll(/<script>(.*?)<\/script>/gs)].map((match) => match[1]!);
}

test("text from outside adds no element and no attribute, wherever it stands", () => {
  const page = reportWith(hostile);
  expect(elements(page)).toEqual(elements(reportWith("harmless")));
  expect(page.split(escaped).length).toBeGreaterThan(10);
  const outside = page.replace(/<script[^>]*>.*?<\/script>/gs, "").replace(/"[^"]*"/g, '""');
  expect(outside).not.toMatch(/<[^>]*onerror/);
});

test("the charts' data cannot end its element, and is what was put in", () => {
  const page = reportWith(hostile);
  const data = /<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(page)?.[1] ?? "";
  expect(data).not.toContain("<");
  const charts = JSON.parse(data) as { title: string; series: { label: string }[] }[];
  expect(charts.find((chart) => chart.title === "Evaluation")?.series[0]?.label).toBe(`${hostile}: ${hostile}`);
});

test("the page loads nothing and runs its own scripts only", () => {
  const page = reportWith("text");
  const policy = /Content-Security-Policy" content="(.*?)"/.exec(page)?.[1]?.replaceAll("&#39;", "'");
  const hashes = scriptsOf(page).map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`);
  expect(policy).toBe(`default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hashes.join(" ")}`);
  const addresses = [...page.matchAll(/<[a-z][^>]*\s(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
  expect(addresses.length).toBeGreaterThan(0);
  expect(addresses.filter((address) => !address?.startsWith("data:"))).toEqual([]);
});

test("the scripts are valid", () => {
  const scripts = scriptsOf(reportWith("text"));
  expect(scripts).toHaveLength(2);
  for (const text of scripts) expect(() => new Script(text)).not.toThrow();
});

test("a picture that is not inside the page is not asked for", () => {
  const item = { image: "https://example.com/x.png", caption: "c", score: Number.NaN, correct: false };
  const page = renderReport({ ...nothing, gallery: [{ query: "q", items: [item] }] });
  expect(page).not.toContain("example.com");
  expect(page).toContain("no picture");
});

test("results show value, chance and how far apart they are", () => {
  const page = renderReport({
    ...nothing,
    results: [{ split: "held-out style", metric: "top-1", value: 0.184, chance: 0.0005, count: 1893 }],
  });
  for (const text of ["held-out style", "top-1", "18.4 %", "0.050 %", "368 ×", "1,893"]) expect(page).toContain(text);
  expect(page).toContain("<caption>Evaluation results with chance level</caption>");
});

test("settings are shown under their whole names", () => {
  const page = renderReport({
    ...nothing,
    settings: { loss: { rho: 6.5, kind: "v3" }, betas: [0.9, 0.98], resume: null },
  });
  const rows = [...page.matchAll(/<tr><th scope="row">(.*?)<\/th><td>(.*?)<\/td><\/tr>/g)].map((row) => [
    row[1],
    row[2],
  ]);
  expect(rows).toEqual([
    ["loss.rho", "6.5"],
    ["loss.kind", "v3"],
    ["betas", "[0.9,0.98]"],
    ["resume", "null"],
  ]);
});

test("a run without anything is a page too, and says so", () => {
  const page = renderReport(nothing);
  expect(page).toContain("This run has no figures yet.");
  expect(elements(page)).toEqual({
    html: 1,
    head: 1,
    meta: 4,
    title: 1,
    style: 1,
    body: 1,
    main: 1,
    header: 1,
    h1: 1,
    div: 1,
    section: 1,
    p: 1,
    footer: 1,
  });
});

test("a hundred thousand steps make a page of ordinary size", () => {
  const page = renderReport({ ...nothing, metrics: Array.from({ length: 100_000 }, (_, step) => train(step)) });
  expect(page.length).toBeLessThan(600_000);
});

test("the page is written in one piece, over the one before", () => {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-report-"));
  const path = join(folder, "report.html");
  writeReport({ ...nothing, path });
  writeReport({ ...nothing, title: "Second", path });
  expect(readdirSync(folder)).toEqual(["report.html"]);
  expect(readFileSync(path, "utf8")).toContain("<title>Second</title>");
  rmSync(folder, { recursive: true });
});
