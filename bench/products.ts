// The product for the gradient of a weight, gradient^T x, and the sums for that of a bias, as src/tensor/products.ts takes them and as libtorch does.
// In turns; in bfloat16 in the sizes of the flags, in float32 in those of ViT-Ti-8-64 with 64 pictures. Each call gets other matrices, so that
// they come from memory, not from the cache.
//   npx tsx bench/products.ts [--rows 3200] [--width 768] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import {
  manualSeed,
  noGrad,
  randn,
  scope,
  setThreads,
  type Tensor,
  transposedProductAndSums,
} from "../src/tensor/index.ts";
import { describeMachine, markdownTable, median, tell } from "./support/measure.ts";

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "3200" },
    width: { type: "string", default: "768" },
    turns: { type: "string", default: "15" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const turns = Number(flags.turns);

const sizes = [
  { dtype: "bfloat16", rows: Number(flags.rows), width: Number(flags.width) },
  { dtype: "float32", rows: 64 * 65, width: 128 },
] as const;
const weights = [
  { name: "queries, keys, values", inputs: 1, outputs: 3 },
  { name: "out of attention", inputs: 1, outputs: 1 },
  { name: "into the perceptron", inputs: 1, outputs: 4 },
  { name: "out of the perceptron", inputs: 4, outputs: 1 },
] as const;
const cases = sizes.flatMap((size) => weights.map((weight) => ({ ...size, ...weight })));

const ways = {
  libtorch: (a: Tensor, b: Tensor) => [a.t().mm(b), a.sumDim({ dim: [0] })],
  ours: transposedProductAndSums,
};
type WayName = keyof typeof ways;
const names = Object.keys(ways) as WayName[];

function measure({ name, dtype, rows, width, inputs, outputs }: (typeof cases)[number]) {
  return scope(() => {
    const draw = (times: number): Tensor => randn([rows, times * width]).to(dtype);
    const operands = Array.from({ length: 8 }, () => [draw(outputs), draw(inputs)] as const);
    let calls = 0;
    const timed = (way: WayName): number => {
      const [gradient, x] = operands[calls++ % operands.length]!;
      const start = process.cpuUsage();
      scope(() => void ways[way](gradient, x));
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    };
    const measured = Array.from({ length: turns + 1 }, () => names.map(timed)).slice(1);
    const of = (way: WayName): number => median(measured.map((turn) => turn[names.indexOf(way)]!));
    const [libtorch, ours] = [of("libtorch"), of("ours")];
    return { name: `${name}, ${dtype}`, flop: 2 * rows * width ** 2 * inputs * outputs, libtorch, ours };
  });
}

setThreads(Number(flags.threads));
manualSeed(1);
const rows = noGrad(() => cases.map(measure));
const speed = (flop: number, milliseconds: number): string => (flop / milliseconds / 1e6).toFixed(0);
const table = markdownTable(
  [
    { head: "gradient of the weight for", isText: true, cell: ({ name }) => name },
    { head: "libtorch, ms", cell: ({ libtorch }) => libtorch.toFixed(1) },
    { head: "ours", cell: ({ ours }) => ours.toFixed(1) },
    { head: "times as fast", cell: ({ libtorch, ours }) => (libtorch / ours).toFixed(2) },
    { head: "GFLOP/s", cell: ({ flop, libtorch, ours }) => `${speed(flop, libtorch)} and ${speed(flop, ours)}` },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\n${sizes.map(({ dtype, rows, width }) => `${rows} rows, width ${width} in ${dtype}`).join("; ")}; ${flags.threads} threads, CPU time, median of ${turns} turns. ${machine}.`;
tell({ name: "products", markdown, data: { machine, ...flags, rows } }, flags);
