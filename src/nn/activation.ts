import { geluBackward, siluBackward, type Tensor } from "../tensor/index.ts";

/** An elementwise function between two linear layers. */
export interface Activation {
  /** Any shape, the same out. */
  forward(x: Tensor): Tensor;
  /** The gradient of x from that of what came out. */
  backward(gradient: Tensor, x: Tensor): Tensor;
}

/** x times the normal distribution function of x, exact. */
export const gelu: Activation = { forward: (x) => x.gelu(), backward: geluBackward };

const slope = 1.702; // of OpenAI's CLIP weights

/** x sigmoid(1.702 x), which OpenAI's CLIP was trained with; written through silu, which keeps one tensor for backward. */
export const quickGelu: Activation = {
  forward: (x) =>
    x
      .mul(slope)
      .silu()
      .mul_(1 / slope),
  backward: (gradient, x) => siluBackward(gradient, x.mul(slope)),
};
