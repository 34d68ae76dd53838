import { describe, expect, test } from "vitest";
import { cat, fusesAttention, manualSeed, randn, type Tensor } from "../tensor/index.ts";
import { expectSameOnThreads } from "../tensor/threads.fixture.ts";
import { attendByProducts, attendByProductsBackward, attendHeads, attendHeadsBackward } from "./heads.ts";
import { Sequences } from "./sequences.ts";

const relativeError = (found: Tensor, exact: Tensor): number =>
  found.to("float64").sub(exact).norm().item() / exact.norm().item();

const isSame = (found: Tensor, expected: Tensor): boolean => found.eq(expected).all().item() === 1;

// One token, numbers that are no multiple of anything, more than a block of queries; heads of less and more than a panel of 64 columns.
test.each(
  [
    { batch: 2, tokens: 1, heads: 2, size: 64 },
    { batch: 3, tokens: 50, heads: 3, size: 64 },
    { batch: 2, tokens: 77, heads: 2, size: 64 },
    { batch: 2, tokens: 37, heads: 3, size: 2 },
    { batch: 1, tokens: 130, heads: 2, size: 80 },
    { batch: 1, tokens: 275, heads: 1, size: 20 },
  ].flatMap((shape) => [
    { ...shape, isCausal: false },
    { ...shape, isCausal: true },
  ]),
)("attention and its gradient are float64's but for rounding: %o", ({ batch, tokens, size, ...options }) => {
  manualSeed(1);
  const width = options.heads * size;
  const projected = randn([batch, tokens, 3 * width]).to("bfloat16");
  const gradient = randn([batch, tokens, width]).to("bfloat16");
  const [x, dy] = [projected.to("float64"), gradient.to("float64")];
  // One rounding to bfloat16 is off by 1.7e-3 in the mean; there are two on the way and up to three on the way back.
  const exact = attendByProducts(x, options);
  expect(relativeError(attendHeads(projected, options), exact)).toBeLessThan(3e-3);
  expect(relativeError(attendByProducts(projected, options), exact)).toBeLessThan(3e-3);
  if (tokens === 1) return; // the scores of one token have no gradient
  const exactBack = attendByProductsBackward(dy, x, options).input;
  const back = attendHeadsBackward(gradient, projected, options);
  expect(relativeError(back.input, exactBack)).toBeLessThan(3e-3);
  expect(relativeError(attendByProductsBackward(gradient, projected, options).input, exactBack)).toBeLessThan(4e-3);
  const [single, dSingle] = [projected.to("float32"), gradient.to("float32")];
  const singleBack = attendHeadsBackward(dSingle, single, options);
  expect(relativeError(attendHeads(single, options), exact)).toBeLessThan(1e-6);
  expect(relativeError(singleBack.input, exactBack)).toBeLessThan(1e-6);
  expect(isSame(back.output, attendHeads(projected, options))).toBe(true);
  expect(isSame(singleBack.output, attendHeads(single, options))).toBe(true);
  expect(isSame(attendByProductsBackward(dy, x, options).output, exact)).toBe(true);
});

describe("sequences of different lengths, as rows", () => {
  const options = { heads: 2, isCausal: true };
  const sequences = new Sequences([5, 1, 133, 11]);

  function both(type: "bfloat16" | "float32" | "float64"): { found: readonly Tensor[]; alone: readonly Tensor[] } {
    manualSeed(1);
    const [projected, gradient] = [randn([150, 3 * 16]).to(type), randn([150, 16]).to(type)];
    const back = attendHeadsBackward(gradient, projected, { ...options, sequences });
    const each = sequences.lengths.map((length, i) => {
      const [all, dy] = [projected, gradient].map((x) => x.narrow(0, sequences.starts[i]!, length).unsqueeze(0));
      const { output, input } = attendHeadsBackward(dy!, all!, options);
      return [attendHeads(all!, options), output, input].map((x) => x.squeeze(0));
    });
    const alone = [0, 1, 2].map((side) => cat(each.map((parts) => parts[side]!)));
    return { found: [attendHeads(projected, { ...options, sequences }), back.output, back.input], alone };
  }

  test.each([
    ["bfloat16", 4e-3],
    ["float32", 1e-6],
    ["float64", 1e-12],
  ] as const)("attend as each does alone, in %s", (type, rounding) => {
    const { found, alone } = both(type);
    for (const [i, x] of found.entries()) expect(relativeError(x, alone[i]!.to("float64"))).toBeLessThan(rounding);
  });

  test("are refused where tokens see what fills them up", () => {
    const projected = randn([150, 3 * 16]).to("float64");
    expect(() => attendHeads(projected, { heads: 2, isCausal: false, sequences })).toThrow("causal attention alone");
  });
});

// MKL's products of float32, which other CPUs take, add in another order with other numbers of threads.
const singles = fusesAttention(randn([1, 2, 12]), { heads: 2, isCausal: true }) ? (["float32"] as const) : [];

test.each(["bfloat16" as const, ...singles])("the number of threads changes nothing in %s", (type) => {
  manualSeed(1);
  const options = { heads: 3, isCausal: true };
  const [projected, gradient] = [randn([5, 140, 3 * 24]).to(type), randn([5, 140, 24]).to(type)];
  expectSameOnThreads(() => {
    const { output, input } = attendHeadsBackward(gradient, projected, options);
    return [attendHeads(projected, options), output, input];
  });
});

test.each(["bfloat16", "float32"] as const)(
  "what is not a number stays so, and scores far apart give no such, in %s",
  (type) => {
    manualSeed(1);
    const options = { heads: 2, isCausal: true };
    const projected = randn([1, 40, 3 * 16]).to(type);
    const large = attendHeads(projected.mul(1000), options);
    expect(relativeError(large, attendByProducts(projected.mul(1000).to("float64"), options))).toBeLessThan(3e-3);
    projected.select(1, 20).fill_(Number.NaN);
    const attended = attendHeads(projected, options);
    const after = attended.narrow(1, 20, 20);
    expect(after.eq(after).any().item()).toBe(0);
  },
);
