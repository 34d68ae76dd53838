import type { Tensor } from "../tensor/index.ts";

/** An elementwise function between two linear layers. */
export type Activation = (x: Tensor) => Tensor;

/** x times the normal distribution function of x, exact. */
export const gelu: Activation = (x) => x.gelu();

const slope = 1.702; // of OpenAI's CLIP weights

/** x sigmoid(1.702 x), which OpenAI's CLIP was trained with; written through silu, which keeps one tensor for backward. */
export const quickGelu: Activation = (x) =>
  x
    .mul(slope)
    .silu()
    .mul_(1 / slope);
