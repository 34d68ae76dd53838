import { fusedGelu, fusedGeluBackward, fusesGelu, geluBackward, siluBackward, type Tensor } from "../tensor/index.ts";

/** An elementwise function between two linear layers. */
export interface Activation {
  /** Any shape, the same out. */
  forward(x: Tensor): Tensor;
  /** That of x + bias, for x [..., width] and a bias [width] of any type; autograd does not see it. */
  biased(x: Tensor, bias: Tensor): Tensor;
  /** What `biased` gives, and the gradient of x from that of what came out, which may be overwritten. */
  biasedBackward(gradient: Tensor, { x, bias }: { x: Tensor; bias: Tensor }): { output: Tensor; input: Tensor };
}

const slope = 1.702; // of OpenAI's CLIP weights

/** x times the normal distribution function of x, exact. */
export const gelu: Activation = withBias({ forward: (x) => x.gelu(), backward: geluBackward, isQuick: false });

/** x sigmoid(1.702 x), which OpenAI's CLIP was trained with; written through silu, which keeps one tensor for backward. */
export const quickGelu: Activation = withBias({
  forward: (x) =>
    x
      .mul(slope)
      .silu()
      .mul_(1 / slope),
  backward: (gradient, x) => siluBackward(gradient, x.mul(slope)),
  isQuick: true,
});

interface Formulas {
  readonly forward: (x: Tensor) => Tensor;
  readonly backward: (gradient: Tensor, x: Tensor) => Tensor;
  readonly isQuick: boolean;
}

function withBias({ forward, backward, isQuick }: Formulas): Activation {
  return {
    forward,
    biased: (x, bias) => (fusesGelu(x, bias) ? fusedGelu({ x, bias, isQuick }) : forward(x.add(bias)).to(x.dtype)),
    biasedBackward: (gradient, { x, bias }) => {
      if (fusesGelu(x, bias)) return fusedGeluBackward(gradient, { x, bias, isQuick });
      const sum = x.add(bias);
      const input = backward(gradient.to(sum.dtype), sum);
      return { output: forward(sum).to(x.dtype), input: input.to(x.dtype) };
    },
  };
}
