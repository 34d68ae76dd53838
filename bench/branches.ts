// A branch of a transformer's block, x + f(norm(x)), forward and back on the CPU in bfloat16: with the derivative that src/nn/residual.ts
// writes out, and with autograd's over libtorch's kernels. In turns; what is kept is the memory that is taken between both ways, the output
// not counted.
//   npx tsx bench/branches.ts [--samples 32] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import { gelu, LayerNorm, MultiheadAttention, Perceptron, residual } from "../src/nn/index.ts";
import {
  autocast,
  backward,
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

interface Shape {
  readonly name: string;
  readonly width: number;
  readonly tokens: number;
  readonly isCausal: boolean;
}

const shapes: readonly Shape[] = [
  { name: "pictures of ViT-B-32", width: 768, tokens: 50, isCausal: false },
  { name: "pictures of ViT-B-16", width: 768, tokens: 197, isCausal: false },
  { name: "texts of 24 tokens", width: 512, tokens: 24, isCausal: true },
  { name: "texts of 77 tokens", width: 512, tokens: 77, isCausal: true },
];
const branches = ["attention", "perceptron"] as const;

interface Way {
  readonly parameters: readonly Tensor[];
  readonly ours: (x: Tensor) => Tensor;
  readonly plain: (x: Tensor) => Tensor;
}

function waysOf(branch: (typeof branches)[number], { width, isCausal }: Shape): Way {
  const norm = new LayerNorm(width);
  const parametersOf = (module: { parameters(): Map<string, Tensor> }): Tensor[] => [
    norm.weight,
    norm.bias,
    ...module.parameters().values(),
  ];
  if (branch === "attention") {
    const module = new MultiheadAttention(width, width / 64);
    return {
      parameters: parametersOf(module),
      ours: (x) => residual(x, { norm, branch: module.branch({ isCausal }) }),
      plain: (x) => x.add(module.forward(norm.forward(x), { isCausal })),
    };
  }
  const module = new Perceptron(width, 4 * width, gelu);
  return {
    parameters: parametersOf(module),
    ours: (x) => residual(x, { norm, branch: module.branch() }),
    plain: (x) => x.add(module.forward(norm.forward(x))),
  };
}

/** Once forward and back. */
function timed(x: Tensor, { parameters, run }: { parameters: readonly Tensor[]; run: (x: Tensor) => Tensor }) {
  return scope(() => {
    for (const leaf of [x, ...parameters]) setGrad(leaf, null);
    const before = tensorMemory().used;
    const start = process.cpuUsage();
    const output = autocast({ device: "cpu", dtype: "bfloat16" }, () => scope(() => run(x)));
    const kept = tensorMemory().used - before - 2 * output.numel;
    backward([output], { gradients: [x] });
    const { user, system } = process.cpuUsage(start);
    return { milliseconds: (user + system) / 1000, kept };
  });
}

function measure(shape: Shape, branch: (typeof branches)[number]) {
  return scope(() => {
    const { parameters, ours, plain } = waysOf(branch, shape);
    const x = randn([samples, shape.tokens, shape.width]).to("bfloat16").requireGrad();
    const measured = Array.from({ length: turns + 1 }, () =>
      [ours, plain].map((run) => timed(x, { parameters, run })),
    ).slice(1);
    const [own, other] = [0, 1].map((side) => ({
      milliseconds: median(measured.map((turn) => turn[side]!.milliseconds)),
      kept: measured[0]![side]!.kept,
    }));
    const timesAsFast = median(measured.map(([a, b]) => b!.milliseconds / a!.milliseconds));
    for (const leaf of [x, ...parameters]) setGrad(leaf, null);
    return { shape, branch, own: own!, other: other!, timesAsFast };
  });
}

setThreads(Number(flags.threads));
manualSeed(1);
const rows = shapes.flatMap((shape) => branches.map((branch) => measure(shape, branch)));
const both = (a: number, b: number): string => `${a.toFixed(1)} and ${b.toFixed(1)}`;
const table = markdownTable(
  [
    { head: "", isText: true, cell: ({ shape, branch }) => `${branch}, ${shape.name}` },
    { head: "CPU ms", cell: ({ own, other }) => both(own.milliseconds, other.milliseconds) },
    { head: "times as fast", cell: ({ timesAsFast }) => timesAsFast.toFixed(2) },
    { head: "kept, MB", cell: ({ own, other }) => both(own.kept / 1e6, other.kept / 1e6) },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\nOurs and autograd's; ${samples} samples, bfloat16, ${flags.threads} threads, median of ${turns} turns. ${machine}.`;
tell({ name: "branches", markdown, data: { machine, ...flags, rows } }, flags);
