// A step of every optimizer over the parameters of ViT-B-32, beside torch's optimizers in Python, in one run, taking turns.
//   npx tsx bench/optimizer.ts [--model NAME] [--threads N] [--json FILE]
// torch has neither LAMB nor Lion: the peer's are their formulas in torch's operators over lists of tensors. "rare" is a step long after the last
// text with any of a fifth of the tokens: 0.9 m rounds to m in the end, so the means of these tokens stay the denormal number that they shrank to.
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
const stuck = 4 * 2 ** -149; // 0.9 of it rounds to it
const rates = { gainsAndBiases: 1e-5, weights: 1e-5, logitScale: 1e-5 };

type Create = (groups: readonly ParameterGroup[]) => Optimizer;
const adamW: Create = (groups) => new AdamW(groups, adam);
const sgd: Create = (groups) => new Sgd(groups, { momentum, nesterov: false });
interface Row {
  readonly ours: string;
  readonly peer: string;
  readonly create: Create;
  /** The share of the tokens that no text has had for long, 0 if absent. */
  readonly rare?: number;
}
const rows: readonly Row[] = [
  { ours: "AdamW", peer: "AdamW fused", create: adamW },
  { ours: "AdamW", peer: "AdamW fused", create: adamW, rare: 0.2 },
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
const tokens = "token_embedding.weight";
const gradients = new Map([...parameters].map(([name, x]) => [name, x.zerosLike().add_(1e-3).keep()]));
for (const [name, parameter] of parameters) setGrad(parameter, gradients.get(name)!);
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

/** Both sides as they are long after the last text with one of these tokens, the first of the vocabulary. */
async function setRare(optimizer: Optimizer, share: number): Promise<void> {
  const count = Math.round(share * parameters.get(tokens)!.shape[0]!);
  await peer.ask({ rare: { parameter: [...parameters.keys()].indexOf(tokens), count, mean: stuck } });
  const mean = optimizer.state().get(`${tokens}/exp_avg`)!;
  mean.narrow(0, 0, count).zero_().add_(stuck);
  gradients.get(tokens)!.narrow(0, 0, count).zero_();
}

async function measure({ ours, peer: name, create, rare }: Row) {
  const optimizer = create(groups);
  await peer.ask({ optimizer: name });
  const turn = async () => ({
    peer: (await peer.ask<{ milliseconds: number }>({ step: true })).milliseconds,
    ours: stepOf(optimizer),
  });
  await turn(); // makes what lives from step to step on the peer's side
  if (rare !== undefined) await setRare(optimizer, rare);
  const kept = tensorMemory().used;
  resetPeakMemory();
  const turns = [];
  for (let i = 0; i < pairs; i++) turns.push(await turn());
  const passing = tensorMemory().peak - kept;
  for (const tensor of optimizer.state().values()) tensor.free();
  gradients.get(tokens)!.zero_().add_(1e-3);
  return {
    ours: rare === undefined ? ours : `${ours}, rare`,
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
    `  ${ours.padEnd(11)} ${ratio} x torch ${name.padEnd(13)}  ${row.milliseconds} and ${row.peerMilliseconds} ms, fastest ${row.fastest} and ${row.peerFastest} ms; ${row.passingMegabytes} MB on the way`,
  );
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
