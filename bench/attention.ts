// The heads of attention alone, softmax(Q K^T / sqrt(d)) V from and to tokens side by side, forward and back without autograd: by the addon's
// kernel and by plain products of matrices (src/nn/heads.ts). In turns.
//   npx tsx bench/attention.ts [--samples 32] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import { attendByProducts, attendByProductsBackward } from "../src/nn/heads.ts";
import {
  fusedAttention,
  fusedAttentionBackward,
  fusesAttention,
  manualSeed,
  noGrad,
  randn,
  scope,
  setThreads,
  type Tensor,
} from "../src/tensor/index.ts";
import { describeMachine, markdownTable, median, tell } from "./support/measure.ts";

const { values: flags } = parseArgs({
  options: {
    samples: { type: "string", default: "32" },
    turns: { type: "string", default: "15" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const [samples, turns] = [Number(flags.samples), Number(flags.turns)];

const cases = [
  { name: "pictures of ViT-Ti-8-64", width: 192, tokens: 65, isCausal: false },
  { name: "pictures of ViT-B-32", width: 768, tokens: 50, isCausal: false },
  { name: "pictures of ViT-B-16", width: 768, tokens: 197, isCausal: false },
  { name: "texts of 24 tokens", width: 512, tokens: 24, isCausal: true },
  { name: "texts of 77 tokens", width: 512, tokens: 77, isCausal: true },
] as const;

function timed(body: () => Tensor): number {
  const start = process.cpuUsage();
  scope(() => void body());
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function measure({ name, width, tokens, isCausal }: (typeof cases)[number]) {
  return scope(() => {
    const options = { heads: width / 64, isCausal };
    const [projected, gradient] = [3 * width, width].map((columns) =>
      randn([samples, tokens, columns]).to("bfloat16"),
    ) as [Tensor, Tensor];
    if (!fusesAttention(projected, options))
      throw new Error("this CPU has no products of bfloat16 with AVX-512, which the kernel needs");
    const ways = [
      () => fusedAttention(projected, options),
      () => attendByProducts(projected, options),
      () => fusedAttentionBackward(gradient, projected, options),
      () => attendByProductsBackward(gradient, projected, options),
    ];
    const measured = Array.from({ length: turns + 1 }, () => ways.map(timed)).slice(1);
    const [kernel, products, kernelBack, productsBack] = ways.map((_, i) => median(measured.map((turn) => turn[i]!)));
    const timesAsFast = median(measured.map(([a, b, c, d]) => (b! + d!) / (a! + c!)));
    return { name, forward: [kernel!, products!], back: [kernelBack!, productsBack!], timesAsFast };
  });
}

setThreads(Number(flags.threads));
manualSeed(1);
const rows = noGrad(() => cases.map(measure));
const both = ([a, b]: readonly number[]): string => `${a!.toFixed(1)} and ${b!.toFixed(1)}`;
const table = markdownTable(
  [
    { head: "", isText: true, cell: ({ name }) => name },
    { head: "forward, CPU ms", cell: ({ forward }) => both(forward) },
    { head: "back, CPU ms", cell: ({ back }) => both(back) },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\nThe kernel and the products; ${samples} samples, bfloat16, ${flags.threads} threads, median of ${turns} turns. ${machine}.`;
tell({ name: "attention", markdown, data: { machine, ...flags, rows } }, flags);
