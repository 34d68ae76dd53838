// The product for the gradient of a weight, gradient^T x, and the sums for that of a bias, as src/tensor/products.ts takes it in bfloat16, and as libtorch does. In turns.
//   npx tsx bench/products.ts [--rows 3200] [--width 768] [--turns 15] [--threads 1] [--json FILE] [--docs]
import { parseArgs } from "node:util";
import { native } from "../src/native/addon.ts";
import { manualSeed, noGrad, randn, scope, setThreads, Tensor } from "../src/tensor/index.ts";
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
const [tokens, width, turns] = [flags.rows, flags.width, flags.turns].map(Number) as [number, number, number];

const shapes = [
  { name: "queries, keys, values", input: width, output: 3 * width },
  { name: "out of attention", input: width, output: width },
  { name: "into the perceptron", input: width, output: 4 * width },
  { name: "out of the perceptron", input: 4 * width, output: width },
] as const;

const ways = {
  libtorch: (a: Tensor, b: Tensor) => [a.t().mm(b), a.sumDim({ dim: [0] })],
  transposed: (a: Tensor, b: Tensor) => new Tensor(native.transposedCopy(a.handle)[0]).mm(b),
  /** What the copy and the sums alone cost. */
  copy: (a: Tensor) => new Tensor(native.transposedCopy(a.handle)[0]),
};
type WayName = keyof typeof ways;
const names = Object.keys(ways) as WayName[];

function measure({ name, input, output }: (typeof shapes)[number]) {
  return scope(() => {
    const [gradient, x] = [output, input].map((columns) => randn([tokens, columns]).to("bfloat16"));
    const timed = (way: WayName): number => {
      const start = process.cpuUsage();
      scope(() => void ways[way](gradient!, x!));
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    };
    const measured = Array.from({ length: turns + 1 }, () => names.map(timed)).slice(1);
    const of = (way: WayName): number => median(measured.map((turn) => turn[names.indexOf(way)]!));
    return { name, flop: 2 * tokens * input * output, times: Object.fromEntries(names.map((way) => [way, of(way)])) };
  });
}

setThreads(Number(flags.threads));
manualSeed(1);
const rows = noGrad(() => shapes.map(measure));
const speed = (flop: number, milliseconds: number): string => (flop / milliseconds / 1e6).toFixed(0);
const table = markdownTable(
  [
    { head: "weight", isText: true, cell: ({ name }) => name },
    { head: "libtorch, ms", cell: ({ times }) => times["libtorch"]!.toFixed(1) },
    { head: "from a transposed copy, ms", cell: ({ times }) => times["transposed"]!.toFixed(1) },
    { head: "of that the copy and the sums", cell: ({ times }) => times["copy"]!.toFixed(1) },
    {
      head: "GFLOP/s",
      cell: ({ flop, times }) => `${speed(flop, times["libtorch"]!)} and ${speed(flop, times["transposed"]!)}`,
    },
  ],
  rows,
);
const amx = native.hasAmx() ? "with AMX" : "without AMX";
const machine = describeMachine("no peer");
const markdown = `${table}\n\n${flags.rows} rows, width ${flags.width}, bfloat16 ${amx}, ${flags.threads} threads, CPU time, median of ${turns} turns. ${machine}.`;
tell({ name: "products", markdown, data: { machine, ...flags, rows } }, flags);
