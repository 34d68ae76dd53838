import { expect, test } from "vitest";
import { backward, cat, gradOf, manualSeed, randn, type Tensor, tensor, zeros } from "../tensor/index.ts";
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
)("$name of what has a bias, and its derivative, in $type are float64's, rounded once", (example) => {
  const { activation, type, relative, absolute } = example;
  manualSeed(1);
  // The bulk, both tails, and a row that fills no register.
  const far = tensor([0, 40, -40, 1e30, -1e30]);
  const x = cat([randn([1000]), randn([1003]).mul(6), far])
    .view([8, 251])
    .to(type);
  const [gradient, bias] = [randn([8, 251]).to(type), randn([251])];
  const precise = { x: x.to("float64"), bias: bias.to("float64") };
  const exact = activation.biasedBackward(gradient.to("float64"), precise);
  const recorded = precise.x.add(precise.bias).detach().requireGrad();
  backward([activation.forward(recorded)], { gradients: [gradient.to("float64")] });
  expect(largest(gradOf(recorded)!.sub(exact.input).abs())).toBeLessThan(1e-12);

  const found = activation.biasedBackward(gradient.clone(), { x, bias });
  expect(activation.biased(x, bias).eq(found.output).all().item()).toBe(1);
  for (const part of ["output", "input"] as const) {
    const error = found[part].to("float64").sub(exact[part]).abs();
    expect(largest(error.sub(exact[part].abs().mul(relative)))).toBeLessThan(absolute);
  }
});

test("what is not a number stays so", () => {
  const x = tensor([1, Number.NaN, 2]).to("bfloat16");
  const gradient = tensor([1, 1, 1]).to("bfloat16");
  const { output, input } = gelu.biasedBackward(gradient, { x, bias: zeros([3]) });
  for (const part of [output, input])
    expect(part.to("float32").toArray().map(Number.isNaN)).toEqual([false, true, false]);
});
