// Finds what is not finite in a step, and names it.

import type { Pair } from "../losses/pair.ts";
import type { ParameterGroup } from "../optim/groups.ts";
import { withGradients } from "../optim/optimizer.ts";
import { scope, type Tensor } from "../tensor/index.ts";

const named = 8; // enough to find the samples in the data; a broken model would name the whole batch

/** Says which of the samples have features that are not finite, or which gradient is not; undefined when all is well. */
export function findNonFinite(step: {
  readonly features: Pair<Tensor>;
  readonly ids: Tensor;
  readonly groups: readonly ParameterGroup[];
  readonly gradNorm: number;
}): string | undefined {
  if (Number.isFinite(step.gradNorm)) return undefined;
  return scope(() => badSamples(step) ?? badGradient(step.groups) ?? "the norm of all gradients is not finite");
}

function badSamples({ features, ids }: { features: Pair<Tensor>; ids: Tensor }): string | undefined {
  for (const side of ["image", "text"] as const) {
    const finite = features[side]
      .sumDim({ dim: [1] })
      .isfinite()
      .toArray();
    const bad = ids.toArray().filter((_, row) => finite[row] === 0);
    if (bad.length === 0) continue;
    const rest = bad.length > named ? ` and ${bad.length - named} more` : "";
    return `the ${side} features of samples ${bad.slice(0, named).join(", ")}${rest} are not finite`;
  }
  return undefined;
}

function badGradient(groups: readonly ParameterGroup[]): string | undefined {
  for (const { name, gradient } of groups.flatMap(withGradients))
    if (gradient.isfinite().all().item() === 0) return `the gradient of ${name} is not finite`;
  return undefined;
}
