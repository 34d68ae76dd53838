import { expect, test } from "vitest";
import { cat, manualSeed, randn, type Tensor, tensor } from "../tensor/index.ts";
import { gelu, quickGelu } from "./activation.ts";

const largest = (x: Tensor): number => x.max().item();

test.each([
  ["gelu", gelu],
  ["quickGelu", quickGelu],
] as const)("%s and its derivative in bfloat16 are float64's, rounded once", (_, activation) => {
  manualSeed(1);
  // The bulk, both tails, and a number that fills no register.
  const x = cat([randn([1000]), randn([1003]).mul(6), tensor([0, 40, -40, 1e30, -1e30])]).to("bfloat16");
  const gradient = randn([x.numel]).to("bfloat16");
  const exact = activation.backward(gradient.to("float64"), x.to("float64"));
  const found = activation.backward(gradient.clone(), x);
  for (const part of ["output", "input"] as const) {
    const error = found[part].to("float64").sub(exact[part]).abs();
    // Half a unit of bfloat16's last place is at most 2^-8 of a number.
    expect(largest(error.sub(exact[part].abs().mul(1.01 * 2 ** -8)))).toBeLessThan(1e-5);
  }
});

test("what is not a number stays so", () => {
  const x = tensor([1, Number.NaN, 2]).to("bfloat16");
  const { output, input } = gelu.backward(tensor([1, 1, 1]).to("bfloat16"), x);
  for (const part of [output, input])
    expect(part.to("float32").toArray().map(Number.isNaN)).toEqual([false, true, false]);
});
