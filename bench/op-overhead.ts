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

const { values: flags } = parseArgs({ options: { json: { type: "string" } } });
const peer = new PeerProcess(pythonPeer({ torch: true }), join(import.meta.dirname, "op-overhead.py"));
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

async function measure(): Promise<{ python: number; scoped: number; freed: number; torch: string }> {
  const python = await peer.ask<{ nanoseconds: number; torch: string }>({ calls });
  return {
    python: python.nanoseconds,
    scoped: nanosecondsPerCall(() => scoped(a)),
    freed: nanosecondsPerCall(() => freedByHand(a)),
    torch: python.torch,
  };
}

await measure(); // warms both sides up
const turns = [];
for (let i = 0; i < pairs; i++) turns.push(await measure());
peer.close();

const row = (side: "scoped" | "freed") => ({
  nanoseconds: Math.round(median(turns.map((turn) => turn[side]))),
  ratioToPython: Number(median(turns.map((turn) => turn[side] / turn.python)).toFixed(2)),
});
const result = {
  machine: `${cpus().length} cores, ${cpus()[0]?.model}`,
  versions: { node: process.version, libtorch: engineInfo().version, pythonTorch: turns[0]!.torch },
  pairs,
  scoped: row("scoped"),
  freedByHand: row("freed"),
  python: { nanoseconds: Math.round(median(turns.map((turn) => turn.python))) },
};

console.log(
  `${result.machine}; Node ${process.version}, libtorch ${result.versions.libtorch}, Python torch ${result.versions.pythonTorch}`,
);
console.log(`add on 4 numbers, median of ${pairs} turns:`);
console.log(`  TypeScript, in a scope     ${result.scoped.nanoseconds} ns   ${result.scoped.ratioToPython} x Python`);
console.log(
  `  TypeScript, freed by hand  ${result.freedByHand.nanoseconds} ns   ${result.freedByHand.ratioToPython} x Python`,
);
console.log(`  Python                     ${result.python.nanoseconds} ns`);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
