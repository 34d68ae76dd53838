// A zero-shot evaluation on the held-out style of the demonstration data, from shards to accuracy: `fastclip eval`'s code beside OpenCLIP's.
//   npx tsx bench/zeroshot/main.ts [--data data/demo] [--model RN-Ti-64] [--weights FILE] [--precision fp32] [--threads 1] [--turns 3]
//     [--json FILE] [--docs]
// Both encode all class names in every template, and decode and encode all pictures, with one thread or process that loads. Without --weights
// both have the same new ones. The accuracies must agree.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import { setThreads } from "../../src/tensor/index.ts";
import { PeerProcess } from "../peer.ts";
import { demoData, demoModel } from "../support/demo.ts";
import { type Accuracy, zeroShot } from "../support/evaluate.ts";
import { describeMachine, markdownTable, median, short, tell } from "../support/measure.ts";
import { openClipPeer, openClipVersion } from "../support/openclip.ts";
import { common } from "../support/trainer.ts";

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "data/demo" },
    model: { type: "string", default: demoModel },
    weights: { type: "string" },
    precision: { type: "string", default: "fp32" },
    threads: { type: "string", default: "1" },
    turns: { type: "string", default: "3" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const threads = Number(flags.threads);
const data = await demoData(flags.data);
const pictures = data.heldOutStyle.samples;
/** Both resize pictures by their own libraries, and round. */
const allowed = 0.005;

type Timed = Accuracy & { readonly seconds: number };

function startPeer(folder: string): PeerProcess {
  const config = join(folder, "bench-model.json");
  writeFileSync(config, JSON.stringify(modelConfig(flags.model)));
  const { model: _, weights = "", precision } = flags;
  const options = { config, weights, precision, threads, seed: common.seed };
  const where = { shards: data.heldOutStyle.pattern, classes: data.classes };
  const python = openClipPeer({ threads, tcmalloc: false });
  return new PeerProcess(python, join(import.meta.dirname, "peer.py"), [JSON.stringify({ ...options, ...where })]);
}

async function ours(): Promise<Timed> {
  const { model, weights, precision } = flags;
  const start = performance.now();
  const accuracy = await zeroShot({ model, weights, precision, data });
  return { ...accuracy, seconds: (performance.now() - start) / 1000 };
}

function checkAlike(own: Accuracy, peer: Accuracy): void {
  for (const metric of ["top1", "top5"] as const)
    if (!(Math.abs(own[metric] - peer[metric]) <= allowed))
      throw new Error(`${metric} is ${own[metric]}, OpenCLIP finds ${peer[metric]}`);
}

async function takeTurns() {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  const python = startPeer(folder);
  try {
    const turns: { ours: Timed; peer: Timed }[] = [];
    for (let turn = 0; turn <= Number(flags.turns); turn++) {
      const peer = await python.ask<Timed>({ evaluate: true });
      const own = await ours();
      checkAlike(own, peer);
      if (turn > 0) turns.push({ ours: own, peer });
    }
    return turns;
  } finally {
    python.close();
    rmSync(folder, { recursive: true });
  }
}

setThreads(threads);
const turns = await takeTurns();
const [first] = turns as [(typeof turns)[number]];
const sides = ["ours", "peer"] as const;
const rows = sides.map((side) => ({
  side: side === "ours" ? "ours" : "OpenCLIP",
  seconds: median(turns.map((turn) => turn[side].seconds)),
  timesOurs: median(turns.map((turn) => turn[side].seconds / turn.ours.seconds)),
  top1: first[side].top1,
  top5: first[side].top5,
}));
const table = markdownTable(
  [
    { head: "", cell: ({ side }) => side, isText: true },
    { head: "seconds", cell: ({ seconds }) => short(seconds) },
    { head: "ours is so many times as fast", cell: ({ timesOurs }) => timesOurs.toFixed(2) },
    { head: "top-1", cell: ({ top1 }) => `${(100 * top1).toFixed(2)} %` },
    { head: "top-5", cell: ({ top5 }) => `${(100 * top5).toFixed(2)} %` },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\n${flags.model}, ${flags.precision}, ${pictures} pictures and as many names; median of ${flags.turns} turns, ${threads} threads beside the loader's. ${machine}.`;
tell({ name: "zeroshot", markdown, data: { machine, ...flags, rows, turns } }, flags);
