// What one small operator costs: `add` on 4 numbers from TypeScript and from Python's torch, in one run, taking turns.
//   npx tsx bench/op-overhead.ts [--json FILE]
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineInfo, scope, type Tensor, tensor } from "../src/tensor/index.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";

const calls = 20_000;
const callsInScope = 100; // as many as a block of a model makes
const pairs = 31;

interface Turn {
  readonly python: number;
  readonly scoped: number;
  readonly freed: number;
  readonly torch: string;
}

const { values: flags } = parseArgs({ options: { json: { type: "string" } } });
const peer = new PeerProcess(pythonPeer({ torch: true }), join(import.meta.dirname, "op_overhead_peer.py"));
const a = tensor([1, 2, 3, 4]);

function nanosecondsPerCall(body: () => void): number {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / calls;
}

function scoped(x: Tensor): void {
  for (let i = 0; i < calls / callsInScope; i++)
    scope(() => {
      for (let j = 0; j < callsInScope; j++) x.add(x);
    });
}

function freedByHand(x: Tensor): void {
  for (let i = 0; i < calls; i++) x.add(x).free();
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

async function measure(): Promise<Turn> {
  const python = await peer.ask<{ nanoseconds: number; torch: string }>({ calls });
  return {
    python: python.nanoseconds,
    scoped: nanosecondsPerCall(() => scoped(a)),
    freed: nanosecondsPerCall(() => freedByHand(a)),
    torch: python.torch,
  };
}

await measure(); // warms both sides up
const turns: Turn[] = [];
for (let i = 0; i < pairs; i++) turns.push(await measure());
peer.close();

const sides = { scoped: "TypeScript, in a scope", freed: "TypeScript, freed by hand", python: "Python" } as const;
/** The fastest turn beside the median: other programs on the machine only ever slow a turn down. */
const rows = (Object.keys(sides) as (keyof typeof sides)[]).map((side) => ({
  side,
  ratioToPython: Number(median(turns.map((turn) => turn[side] / turn.python)).toFixed(2)),
  medianNanoseconds: Math.round(median(turns.map((turn) => turn[side]))),
  fastestNanoseconds: Math.round(Math.min(...turns.map((turn) => turn[side]))),
}));
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`;
const versions = { node: process.version, libtorch: engineInfo().version, pythonTorch: turns[0]!.torch };

console.log(`add on 4 numbers, ${pairs} turns of ${calls} calls; ${machine}`);
console.log(`Node ${versions.node}, libtorch ${versions.libtorch}, Python's torch ${versions.pythonTorch}\n`);
console.log(`${"".padEnd(28)}x Python   median ns   fastest ns`);
for (const { side, ratioToPython, medianNanoseconds, fastestNanoseconds } of rows) {
  const numbers = [
    ratioToPython.toFixed(2).padStart(8),
    `${medianNanoseconds}`.padStart(11),
    `${fastestNanoseconds}`.padStart(12),
  ];
  console.log(`${sides[side].padEnd(28)}${numbers.join(" ")}`);
}
if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ machine, versions, pairs, rows }, null, 2)}\n`);
