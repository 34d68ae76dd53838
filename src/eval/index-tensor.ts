import { fromBuffer, type Tensor } from "../tensor/index.ts";

/** Whole numbers as an index of libtorch. */
export function indexTensor(values: ArrayLike<number>, device: string): Tensor {
  const ids = fromBuffer(BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!)));
  return ids.toDevice(device, "int64", { copy: true });
}
