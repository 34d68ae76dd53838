// Pictures per CPU-second from shards to finished batches: our loader beside OpenCLIP's (webdataset, PIL, torchvision, its tokenizer), in one
// run, taking turns on the same shards.
//   npx tsx bench/loader/main.ts [--workers 1] [--batch 64] [--pairs 7] [--json FILE] [--docs]
// Both decode, crop, resize, normalize, tokenize and collate, ours in `workers` threads and OpenCLIP in as many processes. CPU time is that of
// all processes and threads of a side, as the kernel counts it. What a side makes ahead is taken before its clock starts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { native } from "../../src/native/addon.ts";
import { describeMachine, markdownTable, median, tell } from "../support/measure.ts";
import { openClipPeer, openClipVersion } from "../support/openclip.ts";
import { type PictureSet, pictureSets, writeBenchShards } from "./shards.ts";
import { type Rates, Side } from "./side.ts";

const { values: flags } = parseArgs({
  options: {
    workers: { type: "string", default: "1" },
    batch: { type: "string", default: "64" },
    pairs: { type: "string", default: "7" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const pairs = Number(flags.pairs);
const batchSize = Number(flags.batch);

/** The pictures of both sides must have about the same mean. Returns the versions of the peer's packages. */
async function checkSame(ours: Side, peer: Side): Promise<Record<string, string>> {
  const { mean: peers, versions } = await peer.ask<{ mean: number; versions: Record<string, string> }>({ check: true });
  const { mean } = await ours.ask<{ mean: number }>({ check: true });
  if (Math.abs(mean - peers) < 0.1) return versions;
  throw new Error(`the sides' pictures differ: their means are ${mean} and ${peers}`);
}

async function measure(set: PictureSet, folder: string) {
  const { pattern, braces } = await writeBenchShards(set, folder);
  const turn = { batches: set.batches, batchSize };
  const options = [flags.batch, String(set.imageSize), flags.workers];
  const ours = new Side("our loader", [
    process.execPath,
    "--import",
    "tsx",
    join(import.meta.dirname, "ours.ts"),
    pattern,
    ...options,
  ]);
  const python = openClipPeer({ threads: 1, tcmalloc: false });
  const peer = new Side(
    "OpenCLIP's loader",
    [python.python, "-u", join(import.meta.dirname, "peer.py"), braces, ...options],
    python.env,
  );
  try {
    const versions = await checkSame(ours, peer);
    const turns: Record<"ours" | "peer", Rates>[] = [];
    // The first pair compiles, and fills OpenCLIP's buffer of samples.
    for (let i = 0; i <= pairs; i++) turns.push({ peer: await peer.turn(turn), ours: await ours.turn(turn) });
    turns.shift();
    const rates = (side: "ours" | "peer"): Rates => ({
      perCpuSecond: median(turns.map((rate) => rate[side].perCpuSecond)),
      perSecond: median(turns.map((rate) => rate[side].perSecond)),
    });
    const ratios = turns.map((rate) => rate.ours.perCpuSecond / rate.peer.perCpuSecond);
    return { pictures: set.name, versions, ours: rates("ours"), peer: rates("peer"), ratios };
  } finally {
    ours.close();
    peer.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
const rows: Awaited<ReturnType<typeof measure>>[] = [];
try {
  for (const set of pictureSets) rows.push(await measure(set, folder));
} finally {
  rmSync(folder, { recursive: true });
}

const table = markdownTable<(typeof rows)[number]>(
  [
    { head: "pictures", cell: ({ pictures }) => pictures, isText: true },
    { head: "ours, a CPU-second", cell: ({ ours }) => ours.perCpuSecond.toFixed(0) },
    { head: "OpenCLIP", cell: (row) => row.peer.perCpuSecond.toFixed(0) },
    {
      head: "times as fast: median, least, most",
      cell: ({ ratios }) =>
        [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((x) => x.toFixed(2)).join(", "),
    },
    { head: "ours, a second", cell: ({ ours }) => ours.perSecond.toFixed(0) },
    { head: "OpenCLIP", cell: (row) => row.peer.perSecond.toFixed(0) },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const versions = { "libjpeg-turbo": native.jpegVersion() || "none", ...rows[0]?.versions };
const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
const markdown = `${table}\n\n${flags.workers} worker on each side, ${pairs} turns in batches of ${batchSize}. ${machine}; ${named.join(", ")}.`;
tell({ name: "loader", markdown, data: { machine, versions, ...flags, rows } }, flags);
