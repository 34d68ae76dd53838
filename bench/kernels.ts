// The addon's kernels with AVX-512, and what other CPUs take in their place, in turns, without autograd.
//   npx tsx bench/kernels.ts [--samples 32] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import { gelu } from "../src/nn/activation.ts";
import { attendByProducts, attendByProductsBackward } from "../src/nn/heads.ts";
import {
  type DType,
  foreachNorm,
  fusedAdamw_,
  fusedAdd,
  fusedAttention,
  fusedAttentionBackward,
  fusedNorm,
  fusedNormBackward,
  fusesAttention,
  geluBackward,
  manualSeed,
  mixedAdamw_,
  nativeLayerNorm,
  nativeLayerNormBackward,
  noGrad,
  normOf,
  randn,
  scope,
  setThreads,
  stack,
  type Tensor,
  tensor,
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

interface Case {
  readonly name: string;
  readonly kernel: () => unknown;
  readonly plain: () => unknown;
}

const towers: readonly Tower[] = [
  { name: "pictures of ViT-Ti-8-64, float32", width: 192, tokens: 65, isCausal: false, type: "float32" },
  { name: "pictures of ViT-Ti-8-64", width: 192, tokens: 65, isCausal: false },
  { name: "pictures of ViT-B-32", width: 768, tokens: 50, isCausal: false },
  { name: "pictures of ViT-B-16", width: 768, tokens: 197, isCausal: false },
  { name: "texts of 24 tokens", width: 512, tokens: 24, isCausal: true },
  { name: "texts of 77 tokens", width: 512, tokens: 77, isCausal: true },
];

interface Tower {
  readonly name: string;
  readonly width: number;
  readonly tokens: number;
  readonly isCausal: boolean;
  /** bfloat16 without it. */
  readonly type?: DType;
}

const bfloat16 = (...shape: number[]): Tensor => randn(shape).to("bfloat16");

function attention({ name, width, tokens, isCausal, type = "bfloat16" }: Tower): Case[] {
  const options = { heads: width / 64, isCausal };
  const [projected, gradient] = [3 * width, width].map((columns) => randn([samples, tokens, columns]).to(type)) as [
    Tensor,
    Tensor,
  ];
  if (!fusesAttention(projected, options)) throw new Error("this CPU has no products of bfloat16 with AVX-512");
  return [
    {
      name: `attention, ${name}`,
      kernel: () => fusedAttention(projected, options),
      plain: () => attendByProducts(projected, options),
    },
    {
      name: "its way back",
      kernel: () => fusedAttentionBackward(gradient, projected, options),
      plain: () => attendByProductsBackward(gradient, projected, options),
    },
  ];
}

type Type = "float32" | "bfloat16";

/** GELU in ViT-B-32, of x + bias; on the way back its value is wanted too. */
function activation(type: Type): Case[] {
  const [x, gradient] = [0, 1].map(() => randn([samples, 50, 3072]).to(type)) as [Tensor, Tensor];
  const bias = randn([3072]);
  const rounded = bias.to(type);
  return [
    { name: `GELU, ${type}`, kernel: () => gelu.biased(x, bias), plain: () => x.add(rounded).gelu() },
    {
      name: "its way back",
      kernel: () => gelu.biasedBackward(gradient, { x, bias }),
      plain: () => {
        const biased = x.add(rounded);
        return [biased.gelu(), geluBackward(gradient, biased)];
      },
    },
  ];
}

/** What stands around a branch of ViT-B-32, forward and back. */
function residual(type: Type, branch: Type): Case[] {
  const [x, passed] = [0, 1].map(() => randn([samples, 50, 768]).to(type)) as [Tensor, Tensor];
  const [output, gradient] = [0, 1].map(() => randn([samples, 50, 768]).to(branch)) as [Tensor, Tensor];
  const { weight, bias } = { weight: randn([768]), bias: randn([768]) };
  const eps = 1e-5;
  const { moments } = fusedNorm(x, branch, { weight, bias, eps });
  const [, mean, rstd] = nativeLayerNorm(x, [768], eps, { weight, bias });
  const task = { input: x, normalizedShape: [768], mean, rstd, weight, bias, outputMask: [true, true, true] };
  const cases: Case[] = [
    {
      name: `layer norm, ${type} to ${branch}`,
      kernel: () => fusedNorm(x, branch, { weight, bias, eps }),
      plain: () => nativeLayerNorm(x, [768], eps, { weight, bias })[0].to(branch),
    },
    {
      name: "its way back",
      kernel: () => fusedNormBackward(gradient, { x, moments, weight, passed }),
      plain: () => nativeLayerNormBackward(gradient.to(type), task)[0]!.add_(passed),
    },
  ];
  if (type === branch) return cases;
  const rounded = bias.to(branch);
  return [
    ...cases,
    {
      name: "sum with a branch and a bias, float32",
      kernel: () => fusedAdd(x, output, bias),
      plain: () => x.add(output.add(rounded)),
    },
  ];
}

/** On the matrices of three blocks of ViT-B-32, with gradients as autocast makes them. */
function updates(): Case[] {
  const sizes = [1, 2, 3].flatMap(() => [2304, 768, 3072, 3072].map((rows) => [rows, 768]));
  const parameters = sizes.map((shape) => randn(shape));
  const grads = sizes.map((shape) => bfloat16(...shape));
  const [expAvgs, expAvgSqs] = [0, 1].map(() => parameters.map((x) => x.zerosLike())) as [Tensor[], Tensor[]];
  const stateSteps = parameters.map(() => tensor(10));
  const task = { expAvgs, expAvgSqs, stateSteps, lr: 1e-4, beta1: 0.9, beta2: 0.98, eps: 1e-6, weightDecay: 0.2 };
  const off = { maxExpAvgSqs: [], amsgrad: false, maximize: false };
  return [
    {
      name: "norm of gradients",
      kernel: () => normOf(grads),
      plain: () =>
        stack(foreachNorm(grads, { dtype: "float32" }))
          .norm()
          .item(),
    },
    {
      name: "AdamW",
      kernel: () => mixedAdamw_(parameters, { ...task, grads, gradientFactor: 1 }),
      plain: () => fusedAdamw_(parameters, { ...task, ...off, grads: grads.map((x) => x.to("float32")) }),
    },
  ];
}

function timed(body: () => unknown): number {
  const start = process.cpuUsage();
  scope(() => void body());
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function measure({ name, kernel, plain }: Case) {
  const measured = Array.from({ length: turns + 1 }, () => [timed(kernel), timed(plain)] as const).slice(1);
  const milliseconds = [0, 1].map((side) => median(measured.map((turn) => turn[side]!)));
  return { name, milliseconds, timesAsFast: median(measured.map(([a, b]) => b / a)) };
}

setThreads(Number(flags.threads));
manualSeed(1);
const makers = [
  ...towers.map((tower) => () => attention(tower)),
  () => [...activation("float32"), ...activation("bfloat16")],
  () => residual("float32", "float32"),
  () => residual("float32", "bfloat16"),
  () => residual("bfloat16", "bfloat16"),
  updates,
];
const rows = noGrad(() => makers.flatMap((make) => scope(() => make().map(measure))));
const table = markdownTable(
  [
    { head: "", isText: true, cell: ({ name }) => name },
    { head: "CPU ms", cell: ({ milliseconds }) => milliseconds.map((value) => value.toFixed(1)).join(" and ") },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\nThe kernels, and plain products of matrices or libtorch's operators; ${samples} samples, bfloat16 where nothing else is said, ${flags.threads} threads, median of ${turns} turns. ${machine}.`;
tell({ name: "kernels", markdown, data: { machine, ...flags, rows } }, flags);
