import { expect, test } from "vitest";
import { cat, manualSeed, randn, type Tensor, tensor } from "../tensor/index.ts";
import { gelu, quickGelu } from "./activation.ts";

const largest = (x: Tensor): number => x.max().item();

// Half a unit of bfloat16's last place is at most 2^-8 of a number.
const cases = [
  { type: "float32", relative: 1e-6, absolute: 1e-6 },
  { type: "bfloat16", relative: 1.01 * 2 ** -8, absolute: 1e-5 },
] as const;

test.each(
  Object.entries({ gelu, quickGelu }).flatMap(([name, activation]) =>
    cases.map((rounding) => ({ name, activation, ...rounding })),
  ),
)("$name and its derivative in $type are float64's, rounded once", ({ activation, type, relative, absolute }) => {
  manualSeed(1);
  // The bulk, both tails, and a number that fills no register.
  const x = cat([randn([1000]), randn([1003]).mul(6), tensor([0, 40, -40, 1e30, -1e30])]).to(type);
  const gradient = randn([x.numel]).to(type);
  const exact = activation.backward(gradient.to("float64"), x.to("float64"));
  const found = activation.backward(gradient.clone(), x);
  for (const part of ["output", "input"] as const) {
    const error = found[part].to("float64").sub(exact[part]).abs();
    expect(largest(error.sub(exact[part].abs().mul(relative)))).toBeLessThan(absolute);
  }
});

test("what is not a number stays so", () => {
  const x = tensor([1, Number.NaN, 2]).to("bfloat16");
  const { output, input } = gelu.backward(tensor([1, 1, 1]).to("bfloat16"), x);
  for (const part of [output, input])
    expect(part.to("float32").toArray().map(Number.isNaN)).toEqual([false, true, false]);
});
