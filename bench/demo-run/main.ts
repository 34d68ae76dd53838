// A whole training run on the demonstration data, from a cold start to the last checkpoint: `fastclip train` beside OpenCLIP's trainer.
//   npx tsx bench/demo-run/main.ts [--data data/demo] [--epochs 1] [--loss openclip] [--threads 1] [--turns 1] [--json FILE] [--docs]
// The same shards, model, batch, epochs, learning rate and warm-up; one thread or process loads the data on each side. OpenCLIP runs as it is
// and with tcmalloc preloaded. Runs take turns. Memory is of all processes of a side together. The weights of all are evaluated by our code.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DemoRun, demoData, demoModel, ourRun, peerRun } from "../support/demo.ts";
import { zeroShot } from "../support/evaluate.ts";
import { describeMachine, markdownTable, median, short, tell } from "../support/measure.ts";
import { openClipVersion } from "../support/openclip.ts";
import { type Command, type Finished, runToEnd } from "../support/process.ts";

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "data/demo" },
    epochs: { type: "string", default: "1" },
    loss: { type: "string", default: "openclip" },
    threads: { type: "string", default: "1" },
    turns: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const epochs = Number(flags.epochs);
const ours = `fastclip, ${flags.loss}`;
const commands: Readonly<Record<string, (run: DemoRun) => Command>> = {
  [ours]: (run) => ourRun({ ...run, loss: flags.loss as "openclip" }),
  OpenCLIP: (run) => peerRun(run, { tcmalloc: false }),
  "OpenCLIP, tcmalloc": (run) => peerRun(run, { tcmalloc: true }),
};

type Result = Finished & { readonly top1: number };
type Turn = Readonly<Record<string, Result>>;

async function takeTurn(turn: number, run: Omit<DemoRun, "name">): Promise<Turn> {
  const results: Record<string, Result> = {};
  const sides = Object.entries(commands);
  for (const i of sides.keys()) {
    const [side, command] = sides[(i + turn) % sides.length]!;
    const name = `${i}-${turn}`;
    const finished = await runToEnd(command({ ...run, name }));
    const weights = lastCheckpoint(join(run.logs, name));
    const { top1 } = await zeroShot({ model: demoModel, weights, precision: "fp32", data: run.data });
    results[side] = { ...finished, top1 };
    console.error(`${side}: ${finished.seconds.toFixed(0)} s`);
  }
  return results;
}

/** The weights that a run has ended with: a folder of ours, or a .pt file of OpenCLIP's. */
function lastCheckpoint(run: string): string {
  const folder = join(run, "checkpoints");
  const last = readdirSync(folder).sort().at(-1);
  if (last === undefined) throw new Error(`${folder}: the run has saved nothing`);
  return join(folder, last);
}

const data = await demoData(flags.data);
const logs = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
const turns: Turn[] = [];
try {
  for (let turn = 0; turn < Number(flags.turns); turn++)
    turns.push(await takeTurn(turn, { data, epochs, threads: Number(flags.threads), logs }));
} finally {
  rmSync(logs, { recursive: true });
}

const rows = Object.keys(commands).map((side) => {
  const over = (value: (result: Result, ours: Result) => number): number =>
    median(turns.map((turn) => value(turn[side]!, turn[ours]!)));
  return {
    side,
    seconds: over(({ seconds }) => seconds),
    timesOurs: over(({ seconds }, own) => seconds / own.seconds),
    peakBytes: over(({ peakBytes }) => peakBytes),
    ourShare: over(({ peakBytes }, own) => own.peakBytes / peakBytes),
    top1: over(({ top1 }) => top1),
  };
});
const table = markdownTable(
  [
    { head: "", cell: ({ side }) => side, isText: true },
    { head: "seconds", cell: ({ seconds }) => short(seconds) },
    { head: "samples/s", cell: ({ seconds }) => short((data.train.samples * epochs) / seconds) },
    { head: "ours is so many times as fast", cell: ({ timesOurs }) => timesOurs.toFixed(2) },
    { head: "peak memory, GB", cell: ({ peakBytes }) => (peakBytes / 1e9).toFixed(2) },
    { head: "our share of it", cell: ({ ourShare }) => ourShare.toFixed(2) },
    { head: "zero-shot top-1", cell: ({ top1 }) => `${(top1 * 100).toFixed(1)} %` },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const length = `${demoModel}, ${data.train.samples} pairs, ${epochs} epochs (the quickstart has 10)`;
const markdown = `${table}\n\n${length}; ${flags.turns} turns, ${flags.threads} threads beside the loader's. ${machine}.`;
tell({ name: "demo-run", markdown, data: { machine, ...flags, rows, turns } }, flags);
