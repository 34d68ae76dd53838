import { expect, test } from "vitest";
import { manualSeed, randn, type Tensor, tensor } from "../tensor/index.ts";
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
  expect(distance(attention.forwardFor(query, x, undefined), all)).toBeLessThan(1e-12);
  const upToSelf = tensor([1, 1, 1, 0, 0], { shape: [1, 1, 1, 5] }).to("bool");
  const causal = attention.forward(x, { isCausal: true }).narrow(1, 2, 1);
  expect(distance(attention.forwardFor(query, x, upToSelf), causal)).toBeLessThan(1e-12);
});

test("a width that the heads do not divide is refused", () => {
  expect(() => new MultiheadAttention(10, 4)).toThrow("attention of width 10 cannot be split into 4 heads");
});
