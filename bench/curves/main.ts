// The losses of both sides over many steps, from the same weights on the same batches: whether they train alike.
//   npx tsx bench/curves/main.ts [--model RN-Ti-64] [--batch 32] [--batches 64] [--steps 200] [--precision fp32] [--threads 1]
//     [--json FILE] [--docs]
// OpenCLIP runs twice, the second time without oneDNN, so that products add the same numbers in another order: its two curves show how far
// rounding alone drives them apart. --docs writes the sentence into docs/performance.md and the plot into docs/curves.svg.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import { setThreads } from "../../src/tensor/index.ts";
import { PeerProcess } from "../peer.ts";
import { readBatches, writeBatches } from "../support/batches.ts";
import { describeMachine, markdownTable, median, tell } from "../support/measure.ts";
import { openClipPeer, openClipVersion } from "../support/openclip.ts";
import { colors, plot } from "../support/plot.ts";
import { common, openTrainer, stepOn } from "../support/trainer.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "RN-Ti-64" },
    batch: { type: "string", default: "32" },
    batches: { type: "string", default: "64" },
    steps: { type: "string", default: "200" },
    precision: { type: "string", default: "fp32" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const precision = flags.precision as "fp32" | "amp_bf16";
const steps = Number(flags.steps);
const threads = Number(flags.threads);

function ourLosses(folder: string): number[] {
  setThreads(threads);
  const batches = readBatches(folder);
  const trainer = openTrainer({ model: flags.model, precision, loss: "openclip" });
  return Array.from({ length: steps }, (_, step) => stepOn(trainer, batches[step % batches.length]!, step).loss);
}

async function peerLosses(folder: string, { onednn }: { onednn: boolean }): Promise<number[]> {
  const { lr, weightDecay, seed } = common;
  const options = { folder, threads, onednn, precision, lr, weight_decay: weightDecay, seed };
  const python = openClipPeer({ threads, tcmalloc: false });
  const peer = new PeerProcess(python, join(import.meta.dirname, "peer.py"), [JSON.stringify(options)]);
  try {
    return (await peer.ask<{ losses: number[] }>({ steps })).losses;
  } finally {
    peer.close();
  }
}

/** Of two curves, step by step. */
function differences(a: readonly number[], b: readonly number[]) {
  const all = a.map((loss, step) => Math.abs(loss - b[step]!));
  return { first: all[0]!, median: median(all), largest: Math.max(...all) };
}

async function measure() {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  try {
    const [count, batchSize] = [Number(flags.batches), Number(flags.batch)];
    writeBatches(folder, { model: modelConfig(flags.model), count, batchSize, captions: "short" });
    return {
      ours: ourLosses(folder),
      peer: await peerLosses(folder, { onednn: true }),
      again: await peerLosses(folder, { onednn: false }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { ours, peer, again } = await measure();
const rows = [
  { what: "ours and OpenCLIP", ...differences(ours, peer) },
  { what: "OpenCLIP and itself without oneDNN", ...differences(peer, again) },
];
const table = markdownTable(
  [
    { head: "differences of the loss", cell: ({ what }) => what, isText: true },
    { head: "first step", cell: ({ first }) => first.toExponential(1) },
    { head: "median", cell: ({ median: middle }) => middle.toExponential(1) },
    { head: "largest", cell: ({ largest }) => largest.toExponential(1) },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const course = `The loss goes from ${peer[0]!.toFixed(2)} to ${peer.at(-1)!.toFixed(3)}`;
const markdown = `${table}\n\n${flags.model}, ${flags.batches} batches of ${flags.batch} in turn, ${steps} steps in ${precision}. ${course}. ${machine}.`;
tell({ name: "curves", markdown, data: { machine, ...flags, rows, ours, peer, again } }, flags);
if (flags.docs) {
  const points = (losses: readonly number[]) => losses.map((loss, step) => [step + 1, loss] as const);
  const lines = [
    { name: "OpenCLIP", color: colors.peer, dashes: "none", points: points(peer) },
    { name: "ours", color: colors.ours, dashes: "4 4", points: points(ours) },
  ];
  const title = `${flags.model}, ${precision}`;
  const svg = plot("Loss by step, from the same weights on the same batches", [{ title, lines, logarithmic: false }]);
  writeFileSync(join(import.meta.dirname, "../../docs/curves.svg"), svg);
}
