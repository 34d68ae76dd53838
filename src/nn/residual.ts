// x + f(norm(x)), the branch of a pre-norm transformer, with its derivative written out: it keeps a third of what autograd would
// (docs/performance.md).
import {
  autocastType,
  differentiable,
  fusedAdd,
  fusesResidual,
  type Tensor,
  withoutAutocast,
} from "../tensor/index.ts";
import type { LayerNorm } from "./layer-norm.ts";

/** f of a branch: [B, tokens, width] in and out, in one type. `Kept` names what it keeps for its derivative. */
export interface Branch<Kept extends string> {
  readonly parameters: readonly Tensor[];
  /** f(h) is output + bias. */
  forward(h: Tensor): { output: Tensor; bias: Tensor; kept: Readonly<Record<Kept, Tensor>> };
  /** From the gradient of the output to those of h and of the parameters, which are left out where they are not wanted. */
  backward(
    gradient: Tensor,
    from: { h: Tensor; kept: Readonly<Record<Kept, Tensor>>; isWanted: boolean },
  ): { input: Tensor; parameters: readonly Tensor[] };
}

type Norm = { x: Tensor; moments: Tensor };

/** x + f(norm(x)): [B, tokens, width], of x's type; f works in autocast's. What the norm gave is computed a second time. */
export function residual<Kept extends string>(
  x: Tensor,
  { norm, branch }: { norm: LayerNorm; branch: Branch<Kept> },
): Tensor {
  const type = autocastType("cpu") ?? x.dtype;
  return differentiable<Kept | keyof Norm>([x, norm.weight, norm.bias, ...branch.parameters], () =>
    withoutAutocast({ device: "cpu" }, () => {
      const { h, moments } = norm.withMoments(x, type);
      const { output, bias, kept } = branch.forward(h);
      return {
        output: added(x, output, bias),
        kept: { ...kept, x, moments },
        derivative: (gradient, { x, moments, ...kept }, [, , , ...wanted]) => {
          const { h } = norm.withMoments(x, type);
          const from = { h, kept: kept as Readonly<Record<Kept, Tensor>>, isWanted: wanted.includes(true) };
          const { input, parameters } = branch.backward(gradient.to(type), from);
          const { dx, weight, bias } = norm.backward(input, { x, moments, passed: gradient });
          return [dx, weight, bias, ...wanted.map((_, i) => parameters[i])];
        },
      };
    }),
  );
}

/** x + output + bias in x's type; output may be overwritten. */
function added(x: Tensor, output: Tensor, bias: Tensor): Tensor {
  if (fusesResidual(x, output.dtype) && bias.dtype === "float32") return fusedAdd(x, output, bias);
  return x.add(output.add(bias)).to(x.dtype);
}
