// What a training step costs as things grow: the batch and the length of texts, beside OpenCLIP, and the data set.
//   npx tsx bench/growth/main.ts [--only batch,text,data] [--batches 16,32,64,128,256] [--tokens 16,32,64,128,256]
//     [--pairs 10000,1000000,40000000,400000000] [--threads 1] [--turns 3] [--json FILE] [--docs]
// The model is ViT-Ti-8-64, of batch 64 where the batch does not grow, in float32; what grows with texts has captions that fill all
// positions. A step's CPU time is given, which other programs change less. OpenCLIP has tcmalloc and AdamW(fused=True). A data set of 4 * 10^8
// pairs needs a sparse file of 3.2 GB for FastCLIP's estimators, of which the disk gets what is touched. Ranks: bench/communication.
// --docs writes the table into docs/performance.md and the plot into docs/growth.svg.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import { setThreads } from "../../src/tensor/index.ts";
import { describeMachine, markdownTable, short, tell } from "../support/measure.ts";
import { openClipVersion } from "../support/openclip.ts";
import { colors, type Panel, plot } from "../support/plot.ts";
import { idsCost, type Point, stepCost } from "./cost.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "batch,text,data" },
    batches: { type: "string", default: "16,32,64,128,256" },
    tokens: { type: "string", default: "16,32,64,128,256" },
    pairs: { type: "string", default: "10000,1000000,40000000,400000000" },
    threads: { type: "string", default: "1" },
    turns: { type: "string", default: "3" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const threads = Number(flags.threads);
const turns = Number(flags.turns);
const model = modelConfig("ViT-Ti-8-64");
const batch = 64;
const numbers = (list: string): number[] => list.split(",").map(Number);

interface Curve {
  readonly title: string;
  readonly points: readonly Point[];
}

const measures: Readonly<Record<string, { title: string; points: () => AsyncGenerator<Point> }>> = {
  batch: {
    title: "pairs of the batch",
    async *points() {
      for (const at of numbers(flags.batches))
        yield stepCost({ at, model, batch: at, captions: "short", threads, turns });
    },
  },
  text: {
    title: "tokens of a text",
    async *points() {
      for (const at of numbers(flags.tokens)) {
        const text_cfg = { ...model.text_cfg, context_length: at };
        yield stepCost({ at, model: { ...model, text_cfg }, batch, captions: "full", threads, turns });
      }
    },
  },
  data: {
    title: "pairs of the data set",
    async *points() {
      for (const dataSize of numbers(flags.pairs)) yield idsCost({ model, batch, dataSize, turns });
    },
  },
};

async function measure(name: string): Promise<Curve> {
  const chosen = measures[name];
  if (chosen === undefined) throw new Error(`--only: expected ${Object.keys(measures).join()}, not "${name}"`);
  const points: Point[] = [];
  for await (const point of chosen.points()) {
    points.push(point);
    console.error(`${chosen.title}: ${point.at} done`);
  }
  return { title: chosen.title, points };
}

function panelOf({ title, points }: Curve): Panel {
  const both = points.flatMap(({ at, peer }) => (peer === undefined ? [] : [[at, peer] as const]));
  const ours = { name: "ours", color: colors.ours, dashes: "none", points: points.map((p) => [p.at, p.ours] as const) };
  const peer = { name: "OpenCLIP", color: colors.peer, dashes: "none", points: both };
  return { title, logarithmic: true, lines: both.length > 0 ? [ours, peer] : [ours] };
}

setThreads(threads);
const curves: Curve[] = [];
for (const name of flags.only.split(",")) curves.push(await measure(name));
const table = markdownTable(
  [
    { head: "what grows", cell: ({ title }) => title, isText: true },
    { head: "to", cell: ({ at }) => at.toLocaleString("en-US") },
    { head: "ours, CPU ms a step", cell: ({ ours }) => short(ours) },
    { head: "OpenCLIP", cell: ({ peer }) => (peer === undefined ? "-" : short(peer)) },
    { head: "times as fast", cell: ({ ours, peer }) => (peer === undefined ? "-" : (peer / ours).toFixed(2)) },
  ],
  curves.flatMap(({ title, points }) => points.map((point) => ({ title, ...point }))),
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\nViT-Ti-8-64, float32, ${threads} threads, medians of ${turns} turns. ${machine}.`;
tell({ name: "growth", markdown, data: { machine, ...flags, curves } }, flags);
if (flags.docs) {
  const svg = plot("Milliseconds of CPU time of a training step", curves.map(panelOf));
  writeFileSync(join(import.meta.dirname, "../../docs/growth.svg"), svg);
}
