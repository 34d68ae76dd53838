// Saving and loading a model with the state of AdamW: a checkpoint of ours beside torch.save and torch.load as OpenCLIP's trainer calls them.
//   npx tsx bench/checkpoint/main.ts [--model ViT-B-32] [--turns 5] [--json FILE] [--docs]
// Both are on the disk (fsync) when a save ends. Ours also has checksums of all files. Loading puts weights and moments into a model and an
// optimizer that are there; the file was just written, so it comes from memory.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import { setThreads } from "../../src/tensor/index.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { PeerProcess } from "../peer.ts";
import { readBatches, writeBatches } from "../support/batches.ts";
import {
  describeMachine,
  markdownTable,
  median,
  peakResidentBytes,
  resetPeakResident,
  short,
  tell,
} from "../support/measure.ts";
import { openClipPeer, openClipVersion } from "../support/openclip.ts";
import { common, openTrainer, stepOn } from "../support/trainer.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "ViT-B-32" },
    turns: { type: "string", default: "5" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const threads = availableParallelism();
const actions = ["save", "load"] as const;
type Action = (typeof actions)[number];
interface Timed {
  readonly seconds: number;
  /** On the disk. */
  readonly bytes: number;
  /** By how many bytes more was resident on the way. */
  readonly memory: number;
}
type Side = (action: Action) => Promise<Timed>;

function ourSide(folder: string): Side {
  setThreads(threads);
  const trainer = openTrainer({ model: flags.model, precision: "fp32", loss: "openclip" });
  stepOn(trainer, readBatches(folder)[0]!, 0); // makes the moments
  const state = { step: 1, epoch: 1, stepOfEpoch: 0, dataset: { size: 1, fingerprint: "bench" } };
  const preprocess = { mean: [0, 0, 0], std: [1, 1, 1] } as const;
  const path = join(folder, "checkpoints", "step-000000001");
  return async (action) => {
    if (action === "save") rmSync(path, { recursive: true, force: true });
    const before = resetPeakResident();
    const start = performance.now();
    if (action === "save")
      await saveCheckpoint(folder, { trainer, ema: undefined, state, preprocess, pairs: join(folder, "none") });
    else loadCheckpoint(path, { trainer, ema: undefined });
    const seconds = (performance.now() - start) / 1000;
    const memory = peakResidentBytes() - before;
    return {
      seconds,
      memory,
      bytes: readdirSync(path).reduce((sum, file) => sum + statSync(join(path, file)).size, 0),
    };
  };
}

function peerSide(folder: string): { side: Side; close: () => void } {
  const { lr, weightDecay, seed } = common;
  const options = { folder, threads, precision: "fp32", lr, weight_decay: weightDecay, seed };
  const python = openClipPeer({ threads, tcmalloc: false });
  const peer = new PeerProcess(python, join(import.meta.dirname, "peer.py"), [JSON.stringify(options)]);
  return { side: (action) => peer.ask<Timed>({ [action]: true }), close: () => peer.close() };
}

async function measure() {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  writeBatches(folder, { model: modelConfig(flags.model), count: 1, batchSize: 2, captions: "short" });
  const { side: peer, close } = peerSide(folder);
  try {
    const ours = ourSide(folder);
    const turns: { action: Action; ours: Timed; peer: Timed }[] = [];
    for (let turn = 0; turn <= Number(flags.turns); turn++)
      for (const action of actions) {
        const theirs = await peer(action);
        const own = await ours(action);
        if (turn > 0) turns.push({ action, ours: own, peer: theirs });
      }
    return turns;
  } finally {
    close();
    rmSync(folder, { recursive: true });
  }
}

const turns = await measure();
const rows = actions.map((action) => {
  const own = turns.filter((turn) => turn.action === action);
  return {
    action,
    ours: median(own.map(({ ours }) => ours.seconds)),
    peer: median(own.map(({ peer }) => peer.seconds)),
    timesAsFast: median(own.map(({ ours, peer }) => peer.seconds / ours.seconds)),
    ourBytes: own[0]!.ours.bytes,
    peerBytes: own[0]!.peer.bytes,
    ourMemory: median(own.map(({ ours }) => ours.memory)),
    peerMemory: median(own.map(({ peer }) => peer.memory)),
  };
});
const table = markdownTable(
  [
    { head: "", cell: ({ action }) => action, isText: true },
    { head: "ours, s", cell: ({ ours }) => short(ours) },
    { head: "PyTorch, s", cell: ({ peer }) => short(peer) },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
    {
      head: "memory on the way, MB",
      cell: ({ ourMemory, peerMemory }) => `${(ourMemory / 1e6).toFixed(0)} and ${(peerMemory / 1e6).toFixed(0)}`,
    },
    {
      head: "on disk, GB",
      cell: ({ ourBytes, peerBytes }) => `${(ourBytes / 1e9).toFixed(2)} and ${(peerBytes / 1e9).toFixed(2)}`,
    },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\n${flags.model} with AdamW, median of ${flags.turns} turns. ${machine}.`;
tell({ name: "checkpoint", markdown, data: { machine, ...flags, rows, turns } }, flags);
