import { native } from "../native/addon.ts";
import { foreachNorm, stack, type Tensor } from "./ops.generated.ts";

/** The 2-norm of all elements of all tensors, of any types, taken together; summed in float32 at least. Autograd does not see it. */
export function normOf(tensors: readonly Tensor[]): number {
  const isFused = native.hasAvx512BFloat16();
  const [fused, others]: [Tensor[], Tensor[]] = [[], []];
  for (const tensor of tensors) (isFused && takesKernel(tensor) ? fused : others).push(tensor);
  return Math.hypot(
    ...(fused.length > 0 ? [native.normOf(fused.map(({ handle }) => handle))] : []),
    ...normsOf(others),
  );
}

const takesKernel = ({ dtype, device }: Tensor): boolean =>
  (dtype === "float32" || dtype === "bfloat16") && device === "cpu";

function normsOf(tensors: readonly Tensor[]): number[] {
  if (tensors.length === 0) return [];
  const norms = tensors.flatMap((tensor) =>
    foreachNorm([tensor], tensor.dtype === "bfloat16" ? { dtype: "float32" } : {}),
  );
  return [stack(norms).norm().item()];
}
