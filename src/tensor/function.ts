// Functions with a derivative of their own, which autograd goes through like any operator (torch.autograd.Function in Python).
import { type Handle, native } from "../native/addon.ts";
import { noGrad } from "./autograd.ts";
import { Tensor } from "./ops.generated.ts";
import { scope } from "./scope.ts";

/** One call of a function: what comes out, and how a gradient goes back through it. */
export interface Application<Kept extends string> {
  /** A new tensor. */
  readonly output: Tensor;
  /** What the derivative is given. It lives until backward has passed, or the graph is dropped, and must stay as it is. */
  readonly kept: Readonly<Record<Kept, Tensor>>;
  /**
   * From the gradient of the output to those of the inputs, in their order; undefined where there is none. `wanted` says which are
   * used. It runs once, in a scope and unrecorded, and may know of no other tensors than parameters and those it is given.
   */
  derivative(
    gradient: Tensor,
    kept: Readonly<Record<Kept, Tensor>>,
    wanted: readonly boolean[],
  ): readonly (Tensor | undefined)[];
}

/**
 * What `apply` makes of the inputs, as a function of them. `apply` runs unrecorded, and in a scope; its derivative is asked for where
 * gradients are recorded and one of the inputs wants one. On a CPU alone: elsewhere backward runs on threads without JavaScript.
 */
export function differentiable<Kept extends string>(inputs: readonly Tensor[], apply: () => Application<Kept>): Tensor {
  return scope(() => {
    const { output, kept, derivative } = noGrad(apply);
    if (!isRecording() || !inputs.some(({ requiresGrad }) => requiresGrad)) return output;
    const names = Object.keys(kept) as Kept[];
    const recorded = native.recordFunction(
      inputs.map(({ handle }) => handle),
      output.handle,
      names.map((name) => kept[name].handle),
      (gradient, handles, wanted) =>
        scope(() => {
          const again = Object.fromEntries(names.map((name, i) => [name, new Tensor(handles[i]!)])) as Record<
            Kept,
            Tensor
          >;
          return derivative(new Tensor(gradient), again, wanted).map(givenAway);
        }),
    );
    return new Tensor(recorded);
  });
}

function isRecording(): boolean {
  const isEnabled = native.setGradMode(true);
  native.setGradMode(isEnabled);
  return isEnabled;
}

function givenAway(tensor: Tensor | undefined): Handle | null {
  return tensor === undefined ? null : tensor.giveAway();
}
