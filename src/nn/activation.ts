import { fusedGeluBackward, fusesGelu, geluBackward, siluBackward, type Tensor } from "../tensor/index.ts";

/** An elementwise function between two linear layers. */
export interface Activation {
  /** Any shape, the same out. */
  forward(x: Tensor): Tensor;
  /** What `forward` gives, and the gradient of x from that of what came out, which may be overwritten. */
  backward(gradient: Tensor, x: Tensor): { output: Tensor; input: Tensor };
}

const slope = 1.702; // of OpenAI's CLIP weights

/** x times the normal distribution function of x, exact. */
export const gelu: Activation = withFusedBackward({ forward: (x) => x.gelu(), backward: geluBackward, isQuick: false });

/** x sigmoid(1.702 x), which OpenAI's CLIP was trained with; written through silu, which keeps one tensor for backward. */
export const quickGelu: Activation = withFusedBackward({
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

function withFusedBackward({ forward, backward, isQuick }: Formulas): Activation {
  return {
    forward,
    backward: (gradient, x) =>
      fusesGelu(x) ? fusedGeluBackward(gradient, x, { isQuick }) : { output: forward(x), input: backward(gradient, x) },
  };
}
