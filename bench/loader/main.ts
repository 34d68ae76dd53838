// Pictures per CPU-second from shards to finished batches: our loader beside OpenCLIP's (webdataset, PIL, torchvision, its tokenizer), in one
// run, taking turns on the same shards.
//   npx tsx bench/loader/main.ts [--workers 1] [--batch 64] [--pairs 7] [--json FILE]
// Both decode, crop, resize, normalize, tokenize and collate, ours in `workers` threads and OpenCLIP in as many processes. CPU time is that of
// all processes and threads of a side, as the kernel counts it. What a side makes ahead is taken before its clock starts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { native } from "../../src/native/addon.ts";
import { openClipPeer } from "../support/openclip.ts";
import { type PictureSet, pictureSets, writeBenchShards } from "./shards.ts";
import { type Rates, Side } from "./side.ts";

const { values: flags } = parseArgs({
  options: {
    workers: { type: "string", default: "1" },
    batch: { type: "string", default: "64" },
    pairs: { type: "string", default: "7" },
    json: { type: "string" },
  },
});
const pairs = Number(flags.pairs);
const batchSize = Number(flags.batch);

function median(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

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
      perCpuSecond: Math.round(median(turns.map((rate) => rate[side].perCpuSecond))),
      perSecond: Math.round(median(turns.map((rate) => rate[side].perSecond))),
    });
    const ratios = turns.map((rate) => rate.ours.perCpuSecond / rate.peer.perCpuSecond).sort((x, y) => x - y);
    const rounded = (ratio: number): number => Number(ratio.toFixed(2));
    const ratio = { median: median(ratios), least: ratios[0]!, most: ratios.at(-1)! };
    return {
      versions,
      ours: rates("ours"),
      peer: rates("peer"),
      ratioPerCpuSecond: { median: rounded(ratio.median), least: rounded(ratio.least), most: rounded(ratio.most) },
    };
  } finally {
    ours.close();
    peer.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
const sets: Record<string, Awaited<ReturnType<typeof measure>>> = {};
try {
  for (const set of pictureSets) sets[set.name] = await measure(set, folder);
} finally {
  rmSync(folder, { recursive: true });
}

const machine = `${cpus().length} cores, ${cpus()[0]?.model}`;
const versions = {
  node: process.version,
  "libjpeg-turbo": native.jpegVersion() || "none",
  ...Object.values(sets)[0]?.versions,
};
console.log(
  `${machine}; ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}`,
);
console.log(
  `${flags.workers} worker(s) on each side; medians of ${pairs} turns in batches of ${batchSize}; pictures per CPU-second (per second):`,
);
for (const [name, { ours, peer, ratioPerCpuSecond: ratio }] of Object.entries(sets)) {
  const text = ({ perCpuSecond, perSecond }: Rates): string => `${perCpuSecond} (${perSecond})`;
  console.log(
    `  ${name.padEnd(12)} ours ${text(ours)}   OpenCLIP ${text(peer)}   ${ratio.median} x, ${ratio.least} to ${ratio.most}`,
  );
}
if (flags.json !== undefined)
  writeFileSync(
    flags.json,
    `${JSON.stringify({ machine, versions, workers: Number(flags.workers), batchSize, pairs, sets }, null, 2)}\n`,
  );
