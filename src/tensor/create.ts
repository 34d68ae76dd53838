// Tensors from JavaScript memory.
import { markAsUntransferable } from "node:worker_threads";
import { native } from "../native/addon.ts";
import { type DType, dtypeCode, dtypeOf, dtypes, type TypedArray } from "./dtype.ts";
import { Tensor } from "./ops.generated.ts";

/**
 * A tensor that uses the array's memory: no copy, and each sees the other's writes. The array may lie in a
 * SharedArrayBuffer that worker threads fill. `dtype` is needed where the array does not tell (bool, float16, bfloat16).
 * An ArrayBuffer can no longer be transferred to another thread, and one that can be resized is refused: its memory may go.
 */
export function fromBuffer(array: TypedArray, options: { shape?: readonly number[]; dtype?: DType } = {}): Tensor {
  if (array.buffer instanceof ArrayBuffer) pin(array.buffer);
  return borrow(array, options);
}

/** The tensor trusts that the memory stays where it is. */
function pin(buffer: ArrayBuffer & { readonly resizable?: boolean }): void {
  if (buffer.resizable) throw new TypeError("fromBuffer: expected an ArrayBuffer of fixed length, got a resizable one");
  markAsUntransferable(buffer);
}

function borrow(array: TypedArray, options: { shape?: readonly number[]; dtype?: DType }): Tensor {
  const dtype = options.dtype ?? dtypeOf(array);
  const code = dtypeCode(dtype);
  if (array.BYTES_PER_ELEMENT !== dtypes[dtype].bytes)
    throw new TypeError(
      `${dtype} needs ${dtypes[dtype].bytes} bytes an element, ${array.constructor.name} has ${array.BYTES_PER_ELEMENT}`,
    );
  return new Tensor(native.fromBuffer(array, code, options.shape ?? [array.length]));
}

/** A tensor of its own memory with these numbers; float32 unless told. */
export function tensor(
  values: readonly number[] | number,
  options: { shape?: readonly number[]; dtype?: DType } = {},
): Tensor {
  const list = typeof values === "number" ? [values] : values;
  const dtype = options.dtype ?? "float32";
  const shape = options.shape ?? (typeof values === "number" ? [] : [list.length]);
  const holder = dtype === "int64" ? BigInt64Array.from(list, BigInt) : Float64Array.from(list);
  const borrowed = borrow(holder, { shape });
  const owned = dtype === "float64" || dtype === "int64" ? borrowed.clone() : borrowed.to(dtype);
  borrowed.free();
  return owned;
}
