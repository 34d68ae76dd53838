// The losses of both sides over many steps, from the same weights on the same batches: whether they train alike.
//   npx tsx bench/curves/main.ts [--model RN-Ti-64,ViT-Ti-8-64] [--precision fp32,amp_bf16] [--batch 32] [--batches 64] [--steps 200]
//     [--threads 1] [--json FILE] [--docs]
// OpenCLIP runs twice, the second time with the pairs of each batch in reverse order and by older instructions of the CPU, so that it adds
// the same numbers in another order: its two curves show how far rounding alone drives them apart. --docs writes the table into
// docs/performance.md and the plot into docs/curves.svg.
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
import { colors, type Panel, plot } from "../support/plot.ts";
import { common, openTrainer, stepOn } from "../support/trainer.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "RN-Ti-64,ViT-Ti-8-64" },
    precision: { type: "string", default: "fp32,amp_bf16" },
    batch: { type: "string", default: "32" },
    batches: { type: "string", default: "64" },
    steps: { type: "string", default: "200" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const steps = Number(flags.steps);
const threads = Number(flags.threads);
const [batches, batchSize] = [Number(flags.batches), Number(flags.batch)];

interface Case {
  readonly model: string;
  readonly precision: "fp32" | "amp_bf16";
}

function ourLosses(folder: string, { model, precision }: Case): number[] {
  setThreads(threads);
  const read = readBatches(folder);
  const trainer = openTrainer({ model, precision, loss: "openclip" });
  return Array.from({ length: steps }, (_, step) => stepOn(trainer, read[step % read.length]!, step).loss);
}

/** PyTorch's three sources of kernels, as on an older CPU. oneDNN keeps its instructions for bfloat16, without which it is very slow. */
const olderCpu = {
  ATEN_CPU_CAPABILITY: "avx2",
  MKL_ENABLE_INSTRUCTIONS: "AVX2",
  ONEDNN_MAX_CPU_ISA: "AVX512_CORE_BF16",
};

interface PeerOptions {
  readonly folder: string;
  readonly precision: Case["precision"];
  /** Whether it adds the same numbers in another order. */
  readonly reordered: boolean;
}

async function peerLosses({ folder, precision, reordered }: PeerOptions): Promise<number[]> {
  const { lr, weightDecay, seed } = common;
  const options = { folder, threads, reversed: reordered, precision, lr, weight_decay: weightDecay, seed };
  const { python, env } = openClipPeer({ threads, tcmalloc: false });
  const settings = { python, env: reordered ? { ...env, ...olderCpu } : env };
  const peer = new PeerProcess(settings, join(import.meta.dirname, "peer.py"), [JSON.stringify(options)]);
  try {
    return (await peer.ask<{ losses: number[] }>({ steps })).losses;
  } finally {
    peer.close();
  }
}

async function curvesOf(chosen: Case) {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  try {
    writeBatches(folder, { model: modelConfig(chosen.model), count: batches, batchSize, captions: "short" });
    return {
      ...chosen,
      ours: ourLosses(folder, chosen),
      peer: await peerLosses({ folder, precision: chosen.precision, reordered: false }),
      again: await peerLosses({ folder, precision: chosen.precision, reordered: true }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Curves = Awaited<ReturnType<typeof curvesOf>>;

/** The differences of two curves, step by step: at the first step, their median, the largest. */
function differences(a: readonly number[], b: readonly number[]): string {
  const all = a.map((loss, step) => Math.abs(loss - b[step]!));
  return [all[0]!, median(all), Math.max(...all)].map((value) => value.toExponential(1)).join(", ");
}

function panel({ model, precision, ours, peer }: Curves): Panel {
  const points = (losses: readonly number[]) => losses.map((loss, step) => [step + 1, loss] as const);
  const lines = [
    { name: "OpenCLIP", color: colors.peer, dashes: "none", points: points(peer) },
    { name: "ours", color: colors.ours, dashes: "4 4", points: points(ours) },
  ];
  return { title: `${model}, ${precision}`, lines, logarithmic: false };
}

const all: Curves[] = [];
for (const model of flags.model.split(","))
  for (const precision of flags.precision.split(",") as Case["precision"][])
    all.push(await curvesOf({ model, precision }));
/** Differences from OpenCLIP's curve in float32, of a curve in bfloat16, where that ran too. */
function fromExact({ model, precision }: Curves, losses: readonly number[]): string {
  const exact = all.find((curves) => curves.model === model && curves.precision === "fp32");
  return precision === "fp32" || exact === undefined ? "-" : differences(losses, exact.peer);
}

const table = markdownTable<Curves>(
  [
    { head: "model", cell: ({ model }) => model, isText: true },
    { head: "precision", cell: ({ precision }) => precision, isText: true },
    { head: "the loss goes from, to", cell: ({ peer }) => `${peer[0]!.toFixed(2)}, ${peer.at(-1)!.toFixed(3)}` },
    { head: "ours and OpenCLIP: first, median, largest", cell: ({ ours, peer }) => differences(ours, peer) },
    { head: "OpenCLIP and itself, sums in another order", cell: ({ peer, again }) => differences(peer, again) },
    { head: "ours and OpenCLIP in float32", cell: (curves) => fromExact(curves, curves.ours) },
    { head: "OpenCLIP and itself in float32", cell: (curves) => fromExact(curves, curves.peer) },
  ],
  all,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\n${batches} batches of ${batchSize} in turn, ${steps} steps. ${machine}.`;
tell({ name: "curves", markdown, data: { machine, ...flags, curves: all } }, flags);
if (flags.docs) {
  const svg = plot("Loss by step, from the same weights on the same batches", all.map(panel));
  writeFileSync(join(import.meta.dirname, "../../docs/curves.svg"), svg);
}
