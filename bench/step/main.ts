// A training step beside OpenCLIP's: the same weights, pictures, captions, optimizer and threads, in turns.
//   npx tsx bench/step/main.ts [--set small|main|sizes] [--model ViT-B-32] [--batch 64] [--precision amp_bf16] [--captions short] [--loss openclip]
//     [--peers plain,tcmalloc+fused] [--threads N] [--turns 5] [--json FILE] [--docs]
// --model, --batch, --precision and --captions take lists, and every combination is measured; --set takes their place. A peer is OpenCLIP's trainer, "plain" or with
// tcmalloc preloaded, AdamW(fused=True) or --torchcompile ("compile"), joined by "+". Each side is a process; before a case is timed, other
// processes check that both compute the same (agree.ts). --docs writes the table into docs/performance.md.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import type { LineProcess } from "../peer.ts";
import { writeBatches } from "../support/batches.ts";
import { describeMachine, median, tell } from "../support/measure.ts";
import { openClipVersion } from "../support/openclip.ts";
import { checkAgreement } from "./agree.ts";
import { casesOf } from "./cases.ts";
import { flopsOfPair } from "./flops.ts";
import type { Case, Peak, Timed } from "./messages.ts";
import { parsePeer, startOurs, startPeer } from "./sides.ts";
import { type Row, stepTable } from "./table.ts";

const { values: flags } = parseArgs({
  options: {
    set: { type: "string" },
    model: { type: "string", default: "ViT-B-32" },
    batch: { type: "string", default: "64" },
    precision: { type: "string", default: "amp_bf16" },
    captions: { type: "string", default: "short" },
    loss: { type: "string", default: "openclip" },
    peers: { type: "string", default: "plain,tcmalloc+fused" },
    threads: { type: "string", default: `${availableParallelism()}` },
    turns: { type: "string", default: "5" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const turns = Number(flags.turns);
// Steps of small models are short: a case takes more turns until all sides' steps have taken so long.
const leastSeconds = 20;
const peers = flags.peers.split(",");
for (const name of peers) parsePeer(name);

interface Turn {
  /** By side. */
  readonly times: Readonly<Record<string, Timed>>;
  /** Floating-point operations of a CPU-second in a matrix product; only for a vision transformer. */
  readonly product: number | undefined;
}

/** One step of each side, in another order every turn, and a matrix product after them. */
async function timeTurns(folder: string, options: Case) {
  const ours = startOurs(folder, options);
  const others = peers.map((name): [string, LineProcess] => [name, startPeer(folder, { name, ...options })]);
  const order: readonly [string, LineProcess][] = [["ours", ours], ...others];
  const isTransformer = typeof modelConfig(options.model).vision_cfg.layers === "number";
  try {
    const measured: Turn[] = [];
    // The first turn makes the moments, and compiles.
    const start = performance.now();
    for (let turn = 0; turn <= turns || performance.now() - start < 1000 * leastSeconds; turn++) {
      const times: Record<string, Timed> = {};
      for (const i of order.keys()) {
        const [name, side] = order[(i + turn) % order.length]!;
        times[name] = await side.ask<Timed>({ step: true });
      }
      const product = isTransformer ? (await ours.ask<{ flops: number }>({ matmul: true })).flops : undefined;
      if (turn > 0) measured.push({ times, product });
    }
    const peaks: Record<string, Peak> = {};
    for (const [name, side] of order) peaks[name] = await side.ask<Peak>({ peak: true });
    return { measured, peaks };
  } finally {
    for (const [, side] of order) side.close();
  }
}

async function measure(options: Case): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  try {
    const model = modelConfig(options.model);
    writeBatches(folder, { model, count: 1, batchSize: options.batch, captions: options.captions });
    const agreement = await checkAgreement(folder, options);
    const { measured, peaks } = await timeTurns(folder, options);
    const { bytes: peakBytes, textTokens = 0 } = peaks["ours"]!;
    const work = (flopsOfPair(model, textTokens) ?? Number.NaN) * options.batch;
    const over = (value: (turn: Turn) => number): number => median(measured.map(value));
    return peers.map((peer) => ({
      ...options,
      peer,
      textTokens,
      agreement,
      milliseconds: over(({ times }) => times["ours"]!.milliseconds),
      peerMilliseconds: over(({ times }) => times[peer]!.milliseconds),
      timesAsFast: over(({ times }) => times[peer]!.milliseconds / times["ours"]!.milliseconds),
      timesAsFastByCpu: over(({ times }) => times[peer]!.cpuMilliseconds / times["ours"]!.cpuMilliseconds),
      peakBytes,
      peerPeakBytes: peaks[peer]!.bytes,
      ...(measured[0]!.product !== undefined && {
        speed: {
          flops: over(({ times }) => (work * 1000) / times["ours"]!.cpuMilliseconds),
          ofProduct: over(({ times, product }) => (work * 1000) / times["ours"]!.cpuMilliseconds / product!),
        },
      }),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const rows: Row[] = [];
const threads = Number(flags.threads);
const loss = flags.loss as Case["loss"];
for (const measured of casesOf(flags)) {
  const options = { ...measured, loss, threads };
  rows.push(...(await measure(options)));
  console.error(`${options.model}, batch ${options.batch}, ${options.precision}, ${options.captions} captions: done`);
}
const machine = describeMachine(openClipVersion);
const markdown = `${stepTable(rows)}\n\nMedian of ${turns} turns, or of as many as take ${leastSeconds} s, ${flags.threads} threads on each side. ${machine}.`;
const tableOfMain = threads === 1 ? "step-one-thread" : "step";
const name = flags.set === "sizes" ? "step-sizes" : tableOfMain;
tell({ name, markdown, data: { machine, ...flags, rows } }, flags);
