import { expect, test } from "vitest";
import {
  autocast,
  backward,
  gradOf,
  linear,
  manualSeed,
  randn,
  scaledDotProductAttention,
  type Tensor,
  tensor,
} from "../tensor/index.ts";
import { MultiheadAttention } from "./attention.ts";

const [batch, tokens, width, heads] = [2, 5, 8, 2];

function setUp(): { attention: MultiheadAttention; x: Tensor } {
  manualSeed(1);
  const attention = new MultiheadAttention(width, heads).to({ dtype: "float64" });
  attention.inProjBias.detach().normal_();
  attention.outProj.bias.detach().normal_();
  return { attention, x: randn([batch, tokens, width], { dtype: "float64" }) };
}

/** softmax(Q K^T / sqrt(d)) V, head by head, as in "Attention Is All You Need". */
function byFormula(attention: MultiheadAttention, x: Tensor, isCausal: boolean): Tensor {
  const projected = x.matmul(attention.inProjWeight.t()).add(attention.inProjBias);
  const [q, k, v] = projected
    .chunk(3, { dim: 2 })
    .map((part) => part.reshape([batch, tokens, heads, width / heads]).transpose(1, 2));
  const scores = q!.matmul(k!.transpose(2, 3)).div(Math.sqrt(width / heads));
  const later = Array.from({ length: tokens ** 2 }, (_, i) => (i % tokens > Math.floor(i / tokens) ? 1 : 0));
  const hidden = tensor(later, { shape: [tokens, tokens] }).to("bool");
  const weights = (isCausal ? scores.maskedFill(hidden, Number.NEGATIVE_INFINITY) : scores).softmax(-1);
  const merged = weights.matmul(v!).transpose(1, 2).reshape([batch, tokens, width]);
  return merged.matmul(attention.outProj.weight.t()).add(attention.outProj.bias);
}

const distance = (a: Tensor, b: Tensor) => a.sub(b).abs().max().toArray()[0]!;

test.each([false, true])("attention is its formula (causal: %s)", (isCausal) => {
  const { attention, x } = setUp();
  expect(distance(attention.forward(x, { isCausal }), byFormula(attention, x, isCausal))).toBeLessThan(1e-12);
});

test("forwardFor gives the rows that forward gives", () => {
  const { attention, x } = setUp();
  const query = x.narrow(1, 2, 1);
  const all = attention.forward(x, { isCausal: false }).narrow(1, 2, 1);
  expect(distance(attention.forwardFor(query, x, {}), all)).toBeLessThan(1e-12);
  const upToSelf = tensor([1, 1, 1, 0, 0], { shape: [1, 1, 1, 5] }).to("bool");
  const causal = attention.forward(x, { isCausal: true }).narrow(1, 2, 1);
  expect(distance(attention.forwardFor(query, x, { mask: upToSelf }), causal)).toBeLessThan(1e-12);
});

test.each([false, true])(
  "in bfloat16 it is nearer to its formula than libtorch's kernel in bfloat16 (causal: %s)",
  (isCausal) => {
    manualSeed(1);
    const [batch, tokens, width, heads] = [3, 20, 64, 2];
    const attention = new MultiheadAttention(width, heads);
    attention.inProjBias.detach().normal_();
    /** The output, and the gradient of what comes in. */
    const run = (body: (x: Tensor) => Tensor, dtype: "float32" | "bfloat16"): Tensor[] => {
      manualSeed(2);
      const x = randn([batch, tokens, width]).requireGrad();
      const y = dtype === "float32" ? body(x) : autocast({ device: "cpu", dtype }, () => body(x));
      backward([y], { gradients: [randn([batch, tokens, width]).to(y.dtype)] });
      return [y.detach().to("float32"), gradOf(x)!];
    };
    const own = (x: Tensor): Tensor => attention.forward(x, { isCausal });
    const plain = (x: Tensor): Tensor => {
      const { inProjWeight, inProjBias, outProj } = attention;
      const split = linear(x, inProjWeight, { bias: inProjBias }).view([batch, tokens, 3, heads, width / heads]);
      const [q, k, v] = split.permute([2, 0, 3, 1, 4]).unbind();
      return outProj.forward(
        scaledDotProductAttention(q!, k!, v!, { isCausal }).transpose(1, 2).flatten({ startDim: 2 }),
      );
    };
    const exact = run(own, "float32");
    const errors = (found: Tensor[]): number[] =>
      found.map((x, i) => x.sub(exact[i]!).norm().item() / exact[i]!.norm().item());
    const [ours, libtorchs] = [errors(run(own, "bfloat16")), errors(run(plain, "bfloat16"))];
    for (const [i, error] of ours.entries()) {
      expect(error).toBeLessThan(2 ** -7); // a bit or two of bfloat16's eight
      expect(error).toBeLessThan(1.02 * libtorchs[i]!);
    }
  },
);

test("a width that the heads do not divide is refused", () => {
  expect(() => new MultiheadAttention(10, 4)).toThrow("attention of width 10 cannot be split into 4 heads");
});
