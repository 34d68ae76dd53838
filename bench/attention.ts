// Attention that comes in bfloat16, forward and back on the CPU: by libtorch's fused kernel in bfloat16, and in float32 with the casts, as
// src/nn/attention.ts does it. One thread, in turns; errors are those beside float64, over the largest number there.
//   npx tsx bench/attention.ts [--samples 16] [--turns 21] [--json FILE]
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  type DType,
  grad,
  manualSeed,
  randn,
  scaledDotProductAttention,
  scope,
  setThreads,
  type Tensor,
} from "../src/tensor/index.ts";
import { describeMachine, markdownTable, median } from "./support/measure.ts";

const { values: flags } = parseArgs({
  options: {
    samples: { type: "string", default: "16" },
    turns: { type: "string", default: "21" },
    json: { type: "string" },
  },
});
const samples = Number(flags.samples);
const turns = Number(flags.turns);
const headWidth = 64;

interface Shape {
  readonly name: string;
  readonly heads: number;
  readonly tokens: number;
  readonly isCausal: boolean;
}

const shapes: readonly Shape[] = [
  { name: "pictures of ViT-B-32", heads: 12, tokens: 50, isCausal: false },
  { name: "texts of 24 tokens", heads: 8, tokens: 24, isCausal: true },
  { name: "texts of 77 tokens", heads: 8, tokens: 77, isCausal: true },
];

/** Of queries, keys, values and the gradient of what comes out: the output and the gradients of the first three, computed in `dtype` and rounded to the type of the inputs. */
function attend(inputs: readonly Tensor[], { isCausal }: Shape, dtype: DType): Tensor[] {
  const leaves = inputs.slice(0, 3).map((input) => input.detach().requireGrad());
  const [query, key, value] = leaves.map((leaf) => leaf.to(dtype));
  const output = scaledDotProductAttention(query!, key!, value!, { isCausal }).to(inputs[0]!.dtype);
  const gradients = grad([output], leaves, { gradients: [inputs[3]!] });
  return [output.detach(), ...gradients.map((gradient) => gradient!)];
}

/** The largest error of output and gradients. */
function errorOf(actual: readonly Tensor[], expected: readonly Tensor[]): number {
  const errors = expected.map((right, i) => {
    const largest = right.abs().max().item();
    return actual[i]!.to("float64").sub(right).abs().max().item() / largest;
  });
  return Math.max(...errors);
}

function measure(shape: Shape) {
  return scope(() => {
    const drawn = Array.from({ length: 4 }, () =>
      randn([samples, shape.heads, shape.tokens, headWidth]).to("bfloat16"),
    );
    const exact = attend(
      drawn.map((tensor) => tensor.to("float64")),
      shape,
      "float64",
    );
    const kinds = ["bfloat16", "float32"] as const;
    const times = kinds.map((): number[] => []);
    for (let turn = 0; turn < turns; turn++)
      for (const [i, dtype] of kinds.entries()) {
        const start = performance.now();
        scope(() => void attend(drawn, shape, dtype));
        times[i]!.push(performance.now() - start);
      }
    const errors = kinds.map((dtype) => errorOf(attend(drawn, shape, dtype), exact));
    return { shape, milliseconds: times.map(median), errors };
  });
}

setThreads(1);
manualSeed(1);
const rows = shapes.map(measure);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
console.log(
  markdownTable(
    [
      { head: "", isText: true, cell: ({ shape }) => shape.name },
      { head: "bfloat16, ms", cell: ({ milliseconds }) => milliseconds[0]!.toFixed(1) },
      { head: "float32, ms", cell: ({ milliseconds }) => milliseconds[1]!.toFixed(1) },
      { head: "error of bfloat16", cell: ({ errors }) => errors[0]!.toFixed(4) },
      { head: "error of float32", cell: ({ errors }) => errors[1]!.toFixed(4) },
    ],
    rows,
  ),
);
console.log(`\n${samples} samples, heads of ${headWidth}; median of ${turns} turns. ${describeMachine("no peer")}.`);
