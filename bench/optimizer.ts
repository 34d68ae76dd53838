// A step of every optimizer over the parameters of ViT-B-32, beside torch's optimizers in Python, in one run, taking turns.
//   npx tsx bench/optimizer.ts [--model NAME] [--threads 1] [--json FILE] [--docs]
// torch has neither LAMB nor Lion: the peer's are their formulas in torch's operators over lists of tensors. "rare" is a step long after the last
// text with any of a fifth of the tokens: 0.9 m rounds to m in the end, so the means of these tokens stay the denormal number that they shrank to.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createModel } from "../src/models/index.ts";
import { AdamW } from "../src/optim/adamw.ts";
import { type ParameterGroup, parameterGroups } from "../src/optim/groups.ts";
import { Lamb } from "../src/optim/lamb.ts";
import { Lion } from "../src/optim/lion.ts";
import type { Optimizer } from "../src/optim/optimizer.ts";
import { Sgd } from "../src/optim/sgd.ts";
import { noGrad, resetPeakMemory, setGrad, setThreads, tensorMemory, threads } from "../src/tensor/index.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";
import { describeMachine, markdownTable, median, short, tell } from "./support/measure.ts";

const pairs = 15;
const adam = { beta1: 0.9, beta2: 0.98, eps: 1e-6 };
const momentum = { gainsAndBiases: 0.9, weights: 0.9, logitScale: 0 };
const stuck = 4 * 2 ** -149; // 0.9 of it rounds to it
const rates = { gainsAndBiases: 1e-5, weights: 1e-5, logitScale: 1e-5 };

type Create = (groups: readonly ParameterGroup[]) => Optimizer;
const adamW: Create = (groups) => new AdamW(groups, adam);
const sgd: Create = (groups) => new Sgd(groups, { momentum, nesterov: false });
interface Row {
  readonly update: string;
  /** The peer's name for it. */
  readonly peer: string;
  /** It in words. */
  readonly peers: string;
  readonly create: Create;
  /** The share of the tokens that no text has had for long, 0 if absent. */
  readonly rare?: number;
}
const fusedAdamW = { peer: "AdamW fused", peers: "`AdamW(fused=True)`" };
const rows: readonly Row[] = [
  { update: "AdamW", ...fusedAdamW, create: adamW },
  { update: "AdamW, a fifth of the tokens rare", ...fusedAdamW, create: adamW, rare: 0.2 },
  { update: "AdamW", peer: "AdamW foreach", peers: "`AdamW(foreach=True)`", create: adamW },
  { update: "LAMB", peer: "LAMB foreach", peers: "formula, foreach", create: (groups) => new Lamb(groups, adam) },
  { update: "Lion", peer: "Lion foreach", peers: "formula, foreach", create: (groups) => new Lion(groups, adam) },
  { update: "SGD with momentum", peer: "SGD fused", peers: "`SGD(fused=True)`", create: sgd },
  { update: "SGD with momentum", peer: "SGD foreach", peers: "`SGD(foreach=True)`", create: sgd },
];

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "ViT-B-32" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
setThreads(Number(flags.threads));
const parameters = createModel(flags.model, { seed: 0 }).parameters();
const tokens = "token_embedding.weight";
const gradients = new Map([...parameters].map(([name, x]) => [name, x.zerosLike().add_(1e-3).keep()]));
for (const [name, parameter] of parameters) setGrad(parameter, gradients.get(name)!);
const groups = parameterGroups(parameters, 0.2);
const shapes = [...parameters.values()].map(({ shape }) => shape);

const peer = new PeerProcess(pythonPeer({ torch: true }), join(import.meta.dirname, "optimizer_peer.py"));
await peer.ask({ shapes, threads: threads() });

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

async function measure({ update, peer: name, peers, create, rare }: Row) {
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
    update,
    peers,
    ours: { median: median(turns.map((both) => both.ours)), fastest: Math.min(...turns.map((both) => both.ours)) },
    peer: { median: median(turns.map((both) => both.peer)), fastest: Math.min(...turns.map((both) => both.peer)) },
    timesAsFast: median(turns.map((both) => both.peer / both.ours)),
    passingBytes: passing,
  };
}

const results: Awaited<ReturnType<typeof measure>>[] = [];
for (const row of rows) results.push(await measure(row));
peer.close();

const table = markdownTable<(typeof results)[number]>(
  [
    { head: "", cell: ({ update }) => update, isText: true },
    { head: "PyTorch", cell: ({ peers }) => peers, isText: true },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
    { head: "medians, ms", cell: (row) => `${short(row.ours.median)} and ${short(row.peer.median)}` },
    { head: "fastest, ms", cell: (row) => `${short(row.ours.fastest)} and ${short(row.peer.fastest)}` },
    { head: "memory on the way, MB", cell: ({ passingBytes }) => short(passingBytes / 1e6) },
  ],
  results,
);
const machine = describeMachine("no other peer");
const count = [...parameters.values()].reduce((sum, { numel }) => sum + numel, 0).toLocaleString("en");
const markdown = `${table}\n\n${flags.model}, ${count} parameters, ${flags.threads} threads, ${pairs} turns. ${machine}.`;
tell({ name: "optimizer", markdown, data: { machine, ...flags, pairs, results } }, flags);
