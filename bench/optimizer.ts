// A step of every optimizer over the parameters of ViT-B-32, beside torch's optimizers in Python, in one run, taking turns.
//   npx tsx bench/optimizer.ts [--model NAME] [--threads N] [--json FILE]
// torch has neither LAMB nor Lion: the peer's are their formulas in torch's operators over lists of tensors.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createModel } from "../src/models/index.ts";
import { AdamW } from "../src/optim/adamw.ts";
import { type ParameterGroup, parameterGroups } from "../src/optim/groups.ts";
import { Lamb } from "../src/optim/lamb.ts";
import { Lion } from "../src/optim/lion.ts";
import type { Optimizer } from "../src/optim/optimizer.ts";
import { Sgd } from "../src/optim/sgd.ts";
import {
  engineInfo,
  noGrad,
  resetPeakMemory,
  setGrad,
  setThreads,
  tensorMemory,
  threads,
} from "../src/tensor/index.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";

const pairs = 15;
const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-6 };
const momentum = { gainsAndBiases: 0.9, weights: 0.9, logitScale: 0 };
const rates = { gainsAndBiases: 1e-5, weights: 1e-5, logitScale: 1e-5 };

type Create = (groups: readonly ParameterGroup[]) => Optimizer;
const adamW: Create = (groups) => new AdamW(groups, adam);
const sgd: Create = (groups) => new Sgd(groups, { momentum, nesterov: false });
const rows: readonly { ours: string; peer: string; create: Create }[] = [
  { ours: "AdamW", peer: "AdamW fused", create: adamW },
  { ours: "AdamW", peer: "AdamW foreach", create: adamW },
  { ours: "LAMB", peer: "LAMB foreach", create: (groups) => new Lamb(groups, adam) },
  { ours: "Lion", peer: "Lion foreach", create: (groups) => new Lion(groups, adam) },
  { ours: "SGD", peer: "SGD fused", create: sgd },
  { ours: "SGD", peer: "SGD foreach", create: sgd },
];

const { values: flags } = parseArgs({
  options: { json: { type: "string" }, model: { type: "string", default: "ViT-B-32" }, threads: { type: "string" } },
});
if (flags.threads !== undefined) setThreads(Number(flags.threads));
const parameters = createModel(flags.model, { seed: 0 }).parameters();
for (const parameter of parameters.values()) setGrad(parameter, parameter.zerosLike().add_(1e-3).keep());
const groups = parameterGroups(parameters, 0.2);
const shapes = [...parameters.values()].map(({ shape }) => shape);

const peer = new PeerProcess(pythonPeer({ torch: true }), join(import.meta.dirname, "optimizer_peer.py"));
const versions = await peer.ask<{ torch: string; threads: number }>({ shapes, threads: threads() });

function median(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

function stepOf(optimizer: Optimizer): number {
  const start = performance.now();
  noGrad(() => optimizer.step(rates));
  return performance.now() - start;
}

async function measure({ ours, peer: name, create }: (typeof rows)[number]) {
  const optimizer = create(groups);
  await peer.ask({ optimizer: name });
  const turn = async () => ({
    peer: (await peer.ask<{ milliseconds: number }>({ step: true })).milliseconds,
    ours: stepOf(optimizer),
  });
  await turn(); // makes what lives from step to step on the peer's side
  const kept = tensorMemory().used;
  resetPeakMemory();
  const turns = [];
  for (let i = 0; i < pairs; i++) turns.push(await turn());
  const passing = tensorMemory().peak - kept;
  for (const tensor of optimizer.state().values()) tensor.free();
  return {
    ours,
    peer: name,
    milliseconds: Math.round(median(turns.map((both) => both.ours))),
    peerMilliseconds: Math.round(median(turns.map((both) => both.peer))),
    fastest: Math.round(Math.min(...turns.map((both) => both.ours))),
    peerFastest: Math.round(Math.min(...turns.map((both) => both.peer))),
    ratio: Number(median(turns.map((both) => both.ours / both.peer)).toFixed(2)),
    passingMegabytes: Math.round(passing / 1e6),
  };
}

const results = [];
for (const row of rows) results.push(await measure(row));
peer.close();

const result = {
  machine: `${cpus().length} cores, ${cpus()[0]?.model}`,
  versions: { node: process.version, libtorch: engineInfo().version, pythonTorch: versions.torch },
  threads: { ours: threads(), peer: versions.threads },
  model: flags.model,
  parameters: [...parameters.values()].reduce((sum, { numel }) => sum + numel, 0),
  pairs,
  results,
};

console.log(
  `${result.machine}; Node ${process.version}, libtorch ${result.versions.libtorch}, ${result.threads.ours} threads`,
);
console.log(`a step over ${flags.model} (${result.parameters} parameters), median of ${pairs} pairs:`);
for (const { ours, peer: name, ratio, ...row } of results)
  console.log(
    `  ${ours.padEnd(5)} ${ratio} x torch ${name.padEnd(13)}  ${row.milliseconds} and ${row.peerMilliseconds} ms, fastest ${row.fastest} and ${row.peerFastest} ms; ${row.passingMegabytes} MB on the way`,
  );
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
