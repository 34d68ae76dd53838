// Time and memory of a loss and its gradient as the batch grows, in one run: ours in tiles, beside PyTorch over the full matrix, OpenCLIP's loss by
// its own code and FastCLIP-v3 by its formula. Each size runs in processes of its own, so that the peak of one is not that of another.
//   npx tsx bench/loss.ts [--losses fastclip-v3,openclip] [--features random,twins] [--sizes 1024,4096,16384] [--width 128] [--threads 1]
//     [--json FILE] [--docs]
// "random" has no two pairs alike, and tau 0.07. "twins" has pairs by twos, each nearly the other as pictures of one thing are, and tau 0.01, as at
// the end of a training: most terms are then tiny beside a few.
import { execFile } from "node:child_process";
import { totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { LossCase, LossFigures } from "./loss-tiles.ts";
import { describeMachine, markdownTable, short, tell } from "./support/measure.ts";
import { openClipPeer, openClipVersion } from "./support/openclip.ts";

const { values: flags } = parseArgs({
  options: {
    losses: { type: "string", default: "fastclip-v3,openclip" },
    features: { type: "string", default: "random,twins" },
    sizes: { type: "string", default: "1024,4096,16384" },
    width: { type: "string", default: "128" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const run = promisify(execFile);
const python = openClipPeer({ threads: Number(flags.threads), tcmalloc: false });
const here = import.meta.dirname;
const taus: Readonly<Record<string, number>> = { random: 0.07, twins: 0.01 };

interface Row {
  readonly loss: string;
  readonly features: string;
  readonly tau: number;
  readonly size: number;
  readonly tiles: LossFigures;
  /** Undefined where this machine has less memory than the full matrices need. */
  readonly full: LossFigures | undefined;
  /** Bytes of the full matrices: FastCLIP's formula, what it saves and its way back keep seven of B x B at once (measured). */
  readonly needed: number;
}

async function measure(loss: LossCase["loss"], features: string, size: number): Promise<Row> {
  const tau = taus[features];
  if (tau === undefined) throw new Error(`--features: expected ${Object.keys(taus).join(", ")}, not ${features}`);
  const task: LossCase = {
    ...{ loss, size, tau, twins: features === "twins", width: Number(flags.width), threads: Number(flags.threads) },
    repeats: Math.max(1, Math.min(9, Math.round(2 ** 28 / size ** 2))),
  };
  const args = [JSON.stringify(task)];
  const ours = await run(process.execPath, ["--import", "tsx", join(here, "loss-tiles.ts"), ...args]);
  const needed = 7 * 4 * size ** 2;
  const tiles = JSON.parse(ours.stdout) as LossFigures;
  if (needed > totalmem()) return { loss, features, tau, size, tiles, full: undefined, needed };
  const peer = await run(python.python, [join(here, "loss_peer.py"), ...args], { env: python.env });
  const full = JSON.parse(peer.stdout) as LossFigures;
  if (Math.abs(tiles.loss - full.loss) > 1e-4 * Math.abs(full.loss) + 1e-5)
    throw new Error(`the sides' losses differ: ${tiles.loss} and ${full.loss}`);
  return { loss, features, tau, size, tiles, full, needed };
}

const rows: Row[] = [];
for (const loss of flags.losses.split(",") as LossCase["loss"][])
  for (const features of flags.features.split(","))
    for (const size of flags.sizes.split(",").map(Number)) {
      rows.push(await measure(loss, features, size));
      console.error(`${loss}, ${features}, ${size} pairs: done`);
    }
const ratio = ({ tiles, full }: Row, key: "seconds" | "peakBytes"): string =>
  full ? short(full[key] / tiles[key]) : "-";
const table = markdownTable<Row>(
  [
    { head: "loss", cell: ({ loss }) => loss, isText: true },
    { head: "features", cell: ({ features }) => features, isText: true },
    { head: "tau", cell: ({ tau }) => `${tau}` },
    { head: "pairs", cell: ({ size }) => size.toLocaleString("en") },
    { head: "tiles, ms", cell: ({ tiles }) => short(1000 * tiles.seconds) },
    { head: "full matrix, ms", cell: ({ full }) => (full ? short(1000 * full.seconds) : "-") },
    { head: "times as fast", cell: (row) => ratio(row, "seconds") },
    { head: "tiles, MB", cell: ({ tiles }) => short(tiles.peakBytes / 1e6) },
    {
      head: "full matrix, MB",
      cell: ({ full, needed }) => (full ? short(full.peakBytes / 1e6) : `needs about ${short(needed / 1e6)}`),
    },
    { head: "times as small", cell: (row) => ratio(row, "peakBytes") },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\nFeatures of width ${flags.width}, ${flags.threads} threads. ${machine}.`;
tell({ name: "loss", markdown, data: { machine, ...flags, rows } }, flags);
