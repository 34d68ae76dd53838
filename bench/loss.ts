// Time and memory of a loss and its gradient as the batch grows: FastCLIP-v3 in tiles, beside the same loss over the full matrix in
// PyTorch, in one run. Each size runs in processes of its own, so that the peak of one is not that of another.
//   npx tsx bench/loss.ts [--sizes 1024,4096] [--width 128] [--tau 0.07] [--twins] [--threads 1] [--json FILE]
// With --twins pairs come by twos, each nearly the other, as pictures of one thing do: most terms are then tiny beside a few.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { pythonPeer } from "./peer.ts";

interface Figures {
  readonly seconds: number;
  readonly peakBytes: number;
  readonly loss: number;
}

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "1024,4096,16384,65536" },
    width: { type: "string", default: "128" },
    tau: { type: "string", default: "0.07" },
    twins: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
  },
});
const run = promisify(execFile);
const python = pythonPeer({ torch: true });
const here = import.meta.dirname;
const repeats = (size: number): number => Math.max(1, Math.min(9, Math.round(2 ** 28 / size ** 2)));

async function measure(size: number, side: "tiles" | "full"): Promise<Figures | string> {
  const { width, tau, twins, threads } = flags;
  const options = {
    size,
    width: Number(width),
    tau: Number(tau),
    twins,
    threads: Number(threads),
    repeats: repeats(size),
  };
  const args = [JSON.stringify(options)];
  // Forward, its saved matrices and backward keep seven of B x B at once (measured).
  const needed = 7 * 4 * size ** 2;
  if (side === "full" && needed > totalmem())
    return `needs about ${Math.round(needed / 1e9)} GB, this machine has ${Math.round(totalmem() / 1e9)}`;
  const { stdout } =
    side === "tiles"
      ? await run(process.execPath, ["--import", "tsx", join(here, "loss-tiles.ts"), ...args])
      : await run(python.python, [join(here, "loss_peer.py"), ...args], { env: python.env });
  return JSON.parse(stdout) as Figures;
}

const rows = [];
for (const size of flags.sizes.split(",").map(Number)) {
  const tiles = (await measure(size, "tiles")) as Figures;
  const full = await measure(size, "full");
  rows.push({ size, tiles, full });
  const shown = ({ seconds, peakBytes }: Figures): string =>
    `${(seconds * 1000).toFixed(0).padStart(8)} ms ${(peakBytes / 1e6).toFixed(0).padStart(8)} MB`;
  const ratio =
    typeof full === "string"
      ? ""
      : `  time x${(tiles.seconds / full.seconds).toFixed(2)}  memory x${(tiles.peakBytes / full.peakBytes).toFixed(3)}  loss ${tiles.loss.toFixed(5)} and ${full.loss.toFixed(5)}`;
  console.log(
    `B = ${String(size).padStart(6)}   tiles ${shown(tiles)}   full ${typeof full === "string" ? full : shown(full)}${ratio}`,
  );
}
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`;
console.log(
  `\nfeatures of width ${flags.width}${flags.twins ? " by twos" : ""}, tau ${flags.tau}, ${flags.threads} threads; ${machine}`,
);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ machine, ...flags, rows }, null, 2)}\n`);
