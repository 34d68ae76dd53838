// Layers of both towers, forward and back on the CPU in bfloat16: branches of a block, x + f(norm(x)), with the derivative that
// src/nn/residual.ts writes out and with autograd's over libtorch's kernels, patches as a product of matrices and as a convolution, and what
// ResNets are made of beside libtorch's. In turns; what is kept is the memory that is taken between both ways, the output not counted.
//   npx tsx bench/layers.ts [--samples 32] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import {
  averagePool,
  BatchNorm2d,
  Conv2d,
  gelu,
  LayerNorm,
  type Module,
  MultiheadAttention,
  PatchConv2d,
  Perceptron,
  residual,
} from "../src/nn/index.ts";
import {
  autocast,
  backward,
  batchNorm,
  conv2d,
  manualSeed,
  randn,
  scope,
  setGrad,
  setThreads,
  type Tensor,
  tensorMemory,
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
const samples = Number(flags.samples);
const turns = Number(flags.turns);

interface Layer {
  readonly parameters: readonly Tensor[];
  readonly ours: (x: Tensor) => Tensor;
  readonly plain: (x: Tensor) => Tensor;
}

interface Case {
  readonly name: string;
  readonly input: () => Tensor;
  readonly make: () => Layer;
}

const parametersOf = (...modules: readonly Module[]): Tensor[] =>
  modules.flatMap((module) => [...module.parameters().values()]);

function attention(width: number, isCausal: boolean): Layer {
  const [norm, module] = [new LayerNorm(width), new MultiheadAttention(width, width / 64)];
  return {
    parameters: parametersOf(norm, module),
    ours: (x) => residual(x, { norm, branch: module.branch({ isCausal }) }),
    plain: (x) => x.add(module.forward(norm.forward(x), { isCausal })),
  };
}

function perceptron(width: number): Layer {
  const [norm, module] = [new LayerNorm(width), new Perceptron(width, 4 * width, gelu)];
  return {
    parameters: parametersOf(norm, module),
    ours: (x) => residual(x, { norm, branch: module.branch() }),
    plain: (x) => x.add(module.forward(norm.forward(x))),
  };
}

function patches(width: number, size: number): Layer {
  const module = new PatchConv2d(3, width, size);
  const stride = [size, size];
  return {
    parameters: parametersOf(module),
    ours: (x) => module.forward(x),
    plain: (x) => conv2d(x, module.weight, { stride }).flatten({ startDim: 2 }).transpose(1, 2),
  };
}

function plainTask({ weight, bias, runningMean, runningVar }: BatchNorm2d) {
  return { weight, bias, runningMean, runningVar, training: true, momentum: 0.1, eps: 1e-5, cudnnEnabled: true };
}

/** As it stands within a block of a ResNet, or at its end, where what goes by is added. */
function normOfBatch(channels: number, isLast: boolean): Layer {
  const module = new BatchNorm2d(channels);
  const task = plainTask(module);
  return {
    parameters: parametersOf(module),
    ours: (x) => module.forward(x, { isRectified: true, shortcut: isLast ? x : undefined }),
    plain: (x) => (isLast ? batchNorm(x, task).add_(x) : batchNorm(x, task)).relu_(),
  };
}

function normAndConvolution(channels: number): Layer {
  const norm = new BatchNorm2d(channels);
  const conv = new Conv2d(channels, channels, { kernel: 3, padding: 1 });
  return {
    parameters: parametersOf(norm, conv),
    ours: (x) => {
      const { value, recipe } = norm.rectified(x);
      return conv.forward(value, recipe);
    },
    plain: (x) => conv2d(batchNorm(x, plainTask(norm)).relu_(), conv.weight, { padding: [1, 1] }),
  };
}

function pooling(): Layer {
  return { parameters: [], ours: (x) => averagePool(x, 2), plain: (x) => x.avgPool2d([2, 2]) };
}

function convolution(channels: number): Layer {
  const module = new Conv2d(channels, channels, { kernel: 3, padding: 1 });
  return {
    parameters: parametersOf(module),
    ours: (x) => module.forward(x),
    plain: (x) => conv2d(x, module.weight, { padding: [1, 1] }),
  };
}

const channelsLast = (x: Tensor): Tensor => x.contiguous({ memoryFormat: "channelsLast" });
const tokensOf = (...shape: number[]): Tensor => randn(shape).to("bfloat16").requireGrad();
const images = (): Tensor => channelsLast(randn([samples, 3, 224, 224]));
const features = (channels: number, side: number): Tensor =>
  channelsLast(randn([samples, channels, side, side]).to("bfloat16")).requireGrad();
const early = (): Tensor => features(256, 56);
const late = (): Tensor => features(512, 7);

const blocks = [
  { name: "pictures of ViT-B-32", width: 768, tokens: 50, isCausal: false },
  { name: "pictures of ViT-B-16", width: 768, tokens: 197, isCausal: false },
  { name: "texts of 24 tokens", width: 512, tokens: 24, isCausal: true },
  { name: "texts of 77 tokens", width: 512, tokens: 77, isCausal: true },
] as const;

const cases: readonly Case[] = [
  { name: "patches of ViT-B-32", input: images, make: () => patches(768, 32) },
  ...blocks.flatMap(({ name, width, tokens, isCausal }) => {
    const input = (): Tensor => tokensOf(samples, tokens, width);
    return [
      { name: `attention, ${name}`, input, make: () => attention(width, isCausal) },
      { name: `perceptron, ${name}`, input, make: () => perceptron(width) },
    ];
  }),
  { name: "batch norm and rectifier of RN50", input: early, make: () => normOfBatch(256, false) },
  { name: "the same with a shortcut", input: early, make: () => normOfBatch(256, true) },
  { name: "batch norm, rectifier and convolution", input: () => features(64, 56), make: () => normAndConvolution(64) },
  { name: "mean pooling of RN50", input: early, make: pooling },
  { name: "the last 3 x 3 convolution of RN50", input: late, make: () => convolution(512) },
];

/** Once forward and back. */
function timed(x: Tensor, { parameters, run }: { parameters: readonly Tensor[]; run: (x: Tensor) => Tensor }) {
  return scope(() => {
    for (const leaf of [x, ...parameters]) setGrad(leaf, null);
    const before = tensorMemory().used;
    const start = process.cpuUsage();
    const output = autocast({ device: "cpu", dtype: "bfloat16" }, () => scope(() => run(x)));
    const kept = tensorMemory().used - before - 2 * output.numel;
    backward([output], { gradients: [output.detach()] });
    const { user, system } = process.cpuUsage(start);
    return { milliseconds: (user + system) / 1000, kept };
  });
}

function measure({ name, input, make }: Case) {
  return scope(() => {
    const { parameters, ours, plain } = make();
    const x = input();
    const measured = Array.from({ length: turns + 1 }, () =>
      [ours, plain].map((run) => timed(x, { parameters, run })),
    ).slice(1);
    const [own, other] = [0, 1].map((side) => ({
      milliseconds: median(measured.map((turn) => turn[side]!.milliseconds)),
      kept: measured[0]![side]!.kept,
    }));
    const timesAsFast = median(measured.map(([a, b]) => b!.milliseconds / a!.milliseconds));
    for (const leaf of [x, ...parameters]) setGrad(leaf, null);
    return { name, own: own!, other: other!, timesAsFast };
  });
}

setThreads(Number(flags.threads));
manualSeed(1);
const rows = cases.map(measure);
const both = (a: number, b: number): string => `${a.toFixed(1)} and ${b.toFixed(1)}`;
const table = markdownTable(
  [
    { head: "", isText: true, cell: ({ name }) => name },
    { head: "CPU ms", cell: ({ own, other }) => both(own.milliseconds, other.milliseconds) },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
    { head: "kept, MB", cell: ({ own, other }) => both(own.kept / 1e6, other.kept / 1e6) },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\nOurs and libtorch's; ${samples} samples, bfloat16, ${flags.threads} threads, median of ${turns} turns. ${machine}.`;
tell({ name: "layers", markdown, data: { machine, ...flags, rows } }, flags);
