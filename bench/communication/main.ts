// What the communication of a training step costs: FastCLIP's gradient reduction and OpenCLIP's, each by this project and by its authors in
// PyTorch, over links of a set speed. Every rank is a real process, on a machine of its own (a network namespace, so it needs root).
//   npx tsx bench/communication/main.ts [--ranks 1,2,4,8] [--links none,1gbit,100mbit] [--batch 128] [--dim 512] [--ranks-per-machine 1]
//     [--steps 4] [--turns 7] [--fastclip-repo DIR] [--json FILE] [--plot FILE]
// A step goes from a rank's features (random, no towers) to their gradients. The sides take turns of --steps steps; all start from the same
// features, and must come to the same gradients and to the bytes of messages.ts. DIR is a clone of the FastCLIP authors' code:
//   git clone https://github.com/Optimization-AI/fast_clip DIR
import { existsSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineInfo } from "../../src/tensor/index.ts";
import { Machines, whyNoMachines } from "../../test/support/machines.ts";
import { pythonPeer } from "../peer.ts";
import { messagesOf, type Shape, type SideName } from "./messages.ts";
import { plot } from "./plot.ts";
import { type Measured, Side } from "./sides.ts";
import { type Row, table } from "./table.ts";

const { values: flags } = parseArgs({
  options: {
    ranks: { type: "string", default: "1,2,4,8" },
    links: { type: "string", default: "none,1gbit,100mbit" },
    batch: { type: "string", default: "128" },
    dim: { type: "string", default: "512" },
    "ranks-per-machine": { type: "string", default: "1" },
    steps: { type: "string", default: "4" },
    turns: { type: "string", default: "7" },
    "fastclip-repo": { type: "string" },
    json: { type: "string" },
    plot: { type: "string" },
  },
});
const openClip = "open_clip_torch==3.3.0";
const baseline: SideName = "OpenCLIP (PyTorch)";
const ranksPerMachine = Number(flags["ranks-per-machine"]);
const fastClipRepo = flags["fastclip-repo"];
const names: readonly SideName[] = [
  "ours, scalars",
  ...(fastClipRepo === undefined ? [] : (["FastCLIP (PyTorch)"] as const)),
  "ours, features",
  baseline,
];

/** "100mbit" in bits a second; undefined for "none". */
function speedOf(link: string): number | undefined {
  if (link === "none") return undefined;
  const [, number, unit] = /^(\d+)(gbit|mbit)$/.exec(link) ?? [];
  if (number === undefined) throw new Error(`--links: expected none, 100mbit, 1gbit or the like, not "${link}"`);
  return Number(number) * (unit === "gbit" ? 1e9 : 1e6);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

/** All sides come to the same gradients, with FastCLIP's loss and with OpenCLIP's. */
async function checkGradients(sides: readonly Side[]): Promise<void> {
  for (const loss of ["fastclip", "openclip"] as const) {
    const able = sides.filter(({ name }) => name.startsWith("ours") || name.toLowerCase().startsWith(loss));
    const found: number[][] = [];
    for (const side of able) found.push(await side.check(loss));
    const largest = Math.max(...found[0]!.map(Math.abs));
    for (const [i, gradients] of found.entries()) {
      const difference = Math.max(...gradients.map((value, n) => Math.abs(value - found[0]![n]!)));
      if (!(difference <= 1e-3 * largest))
        throw new Error(`${loss}: ${able[i]!.name} has other gradients than ${able[0]!.name}, by ${difference}`);
    }
  }
}

function checkBytes({ name }: Side, { bytes }: Measured, shape: Shape): void {
  for (const [what, expected] of Object.entries(messagesOf(name, shape)))
    if ((bytes[what] ?? 0) !== expected)
      throw new Error(
        `${name}, ${shape.ranks} ranks: ${bytes[what] ?? 0} bytes of ${what} a step, expected ${expected}`,
      );
}

async function measureLink(sides: readonly Side[], { link, shape }: { link: string; shape: Shape }): Promise<Row[]> {
  const turns: Record<string, Measured>[] = [];
  for (let turn = 0; turn < Number(flags.turns); turn++) {
    const results: Record<string, Measured> = {};
    for (const i of sides.keys()) {
      const side = sides[(i + turn) % sides.length]!;
      results[side.name] = await side.measure(Number(flags.steps));
      checkBytes(side, results[side.name]!, shape);
    }
    turns.push(results);
  }
  return sides.map(({ name }) => ({
    ...shape,
    link,
    side: name,
    bytes: messagesOf(name, shape),
    wireBytes: Math.round(median(turns.map((turn) => turn[name]!.wireBytes))),
    milliseconds: median(turns.map((turn) => turn[name]!.milliseconds)),
    fastest: Math.min(...turns.map((turn) => turn[name]!.milliseconds)),
    inCollectives: median(turns.map((turn) => turn[name]!.inCollectives)),
    toOpenClip: median(turns.map((turn) => turn[name]!.milliseconds / turn[baseline]!.milliseconds)),
  }));
}

async function measureRanks(ranks: number): Promise<Row[]> {
  const shape = { ranks, batch: Number(flags.batch), width: Number(flags.dim) };
  const machines = Machines.create(Math.ceil(ranks / ranksPerMachine));
  const sides: Side[] = [];
  try {
    for (const [i, name] of names.entries())
      sides.push(new Side({ name, machines, shape, ranksPerMachine, port: 29_500 + i, python, fastClipRepo }));
    await checkGradients(sides);
    const rows: Row[] = [];
    // One rank uses no link, whatever its speed.
    for (const link of ranks === 1 ? ["none"] : flags.links.split(",")) {
      machines.shape(speedOf(link));
      rows.push(...(await measureLink(sides, { link, shape })));
      console.error(`${ranks} ranks, ${link}: done, load average ${loadavg()[0]!.toFixed(1)}`);
    }
    return rows;
  } finally {
    for (const side of sides) side.close();
    machines.close();
  }
}

/** What estimate.ts reckons with: the time of a round without bytes, and the part of a link's speed that a gather of 4 MB reaches. */
async function measurePieces(): Promise<{ latencyMicroseconds: number; shares: Record<string, number> }> {
  const [ranks, numbers] = [2, 1e6];
  const machines = Machines.create(ranks);
  const shape = { ranks, batch: 2, width: 2 };
  const side = new Side({
    name: "ours, scalars",
    machines,
    shape,
    ranksPerMachine: 1,
    port: 29_500,
    python,
    fastClipRepo,
  });
  try {
    const latencyMicroseconds = Math.round((await side.gather(1)) * 1000);
    const shares: Record<string, number> = {};
    for (const link of flags.links.split(",").filter((name) => name !== "none")) {
      machines.shape(speedOf(link));
      const seconds = (await side.gather(numbers)) / 1000;
      shares[link] = Number(((numbers * 4 * 8) / seconds / speedOf(link)!).toFixed(2));
    }
    return { latencyMicroseconds, shares };
  } finally {
    side.close();
    machines.close();
  }
}

const reason = whyNoMachines();
if (reason !== undefined) {
  console.error(`bench/communication: ${reason}`);
  process.exit(1);
}
if (fastClipRepo !== undefined && !existsSync(join(fastClipRepo, "src/fast_clip/loss.py"))) {
  console.error(
    `bench/communication: --fastclip-repo ${fastClipRepo}: no clone of the FastCLIP authors' code is there`,
  );
  process.exit(1);
}
for (const link of flags.links.split(",")) speedOf(link);
const python = pythonPeer({ torch: true, packages: [openClip] });
const pieces = await measurePieces();
const rows: Row[] = [];
for (const ranks of flags.ranks.split(",").map(Number)) rows.push(...(await measureRanks(ranks)));

const machine = `${cpus().length} cores, ${cpus()[0]?.model}`;
const versions = { node: process.version, libtorch: engineInfo().version, openClip, fastClipRepo: fastClipRepo ?? "-" };
console.log(table(rows));
console.log(
  `\n${flags.batch} pairs a rank, features of ${flags.dim} numbers, ${flags.turns} turns of ${flags.steps} steps`,
);
console.log(`${machine}; Node ${versions.node}, libtorch and Python's torch ${versions.libtorch}, ${openClip}`);
console.log(
  `a gather between 2 machines: ${pieces.latencyMicroseconds} us of one number, of 4 MB at ${Object.entries(
    pieces.shares,
  )
    .map(([link, share]) => `${share} of ${link}`)
    .join(", ")}`,
);
if (fastClipRepo === undefined)
  console.log("FastCLIP (PyTorch) is left out: --fastclip-repo was not given (see the head of this file)");
if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ machine, versions, ...flags, pieces, rows }, null, 2)}\n`);
if (flags.plot !== undefined) writeFileSync(flags.plot, plot(rows));
