// What one small operator costs: `add` on 4 numbers from TypeScript and from Python's torch, in one run, taking turns.
//   npx tsx bench/op-overhead.ts [--json FILE] [--docs]
import { join } from "node:path";
import { parseArgs } from "node:util";
import { scope, type Tensor, tensor } from "../src/tensor/index.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";
import { describeMachine, markdownTable, median, tell } from "./support/measure.ts";

const calls = 20_000;
const callsInScope = 100; // as many as a block of a model makes
const pairs = 31;

interface Turn {
  readonly python: number;
  readonly scoped: number;
  readonly freed: number;
}

const { values: flags } = parseArgs({
  options: { json: { type: "string" }, docs: { type: "boolean", default: false } },
});
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

async function measure(): Promise<Turn> {
  const python = await peer.ask<{ nanoseconds: number }>({ calls });
  return {
    python: python.nanoseconds,
    scoped: nanosecondsPerCall(() => scoped(a)),
    freed: nanosecondsPerCall(() => freedByHand(a)),
  };
}

await measure(); // warms both sides up
const turns: Turn[] = [];
for (let i = 0; i < pairs; i++) turns.push(await measure());
peer.close();

const sides = {
  scoped: `TypeScript, in a scope of ${callsInScope} calls`,
  freed: "TypeScript, freed by hand",
  python: "Python",
} as const;
/** The fastest turn beside the median: other programs on the machine only ever slow a turn down. */
const rows = (Object.keys(sides) as (keyof typeof sides)[]).map((side) => ({
  side: sides[side],
  timesPython: median(turns.map((turn) => turn[side] / turn.python)),
  medianNanoseconds: median(turns.map((turn) => turn[side])),
  fastestNanoseconds: Math.min(...turns.map((turn) => turn[side])),
}));
const table = markdownTable(
  [
    { head: "", cell: ({ side }) => side, isText: true },
    { head: "times Python", cell: ({ timesPython }) => timesPython.toFixed(2) },
    { head: "median, ns", cell: ({ medianNanoseconds }) => medianNanoseconds.toFixed(0) },
    { head: "fastest turn, ns", cell: ({ fastestNanoseconds }) => fastestNanoseconds.toFixed(0) },
  ],
  rows,
);
const machine = describeMachine("no other peer");
const markdown = `${table}\n\n${pairs} turns of ${calls.toLocaleString("en")} calls on each side. ${machine}.`;
tell({ name: "op-overhead", markdown, data: { machine, pairs, rows } }, flags);
