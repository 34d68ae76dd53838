// Element types: their names here, libtorch's codes (c10/core/ScalarType.h), safetensors' names, and the JavaScript arrays that hold them.

export type DType =
  | "uint8"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "float16"
  | "float32"
  | "float64"
  | "bool"
  | "bfloat16";

interface Description {
  readonly code: number;
  readonly bytes: number;
  /** The name in a safetensors header. */
  readonly safetensors: string;
  /** Types without a JavaScript counterpart are held as their raw bits. */
  readonly array: TypedArrayConstructor;
}

export type TypedArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

type TypedArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray;
};

export const dtypes: Readonly<Record<DType, Description>> = {
  uint8: { code: 0, bytes: 1, safetensors: "U8", array: Uint8Array },
  int8: { code: 1, bytes: 1, safetensors: "I8", array: Int8Array },
  int16: { code: 2, bytes: 2, safetensors: "I16", array: Int16Array },
  int32: { code: 3, bytes: 4, safetensors: "I32", array: Int32Array },
  int64: { code: 4, bytes: 8, safetensors: "I64", array: BigInt64Array },
  float16: { code: 5, bytes: 2, safetensors: "F16", array: Uint16Array },
  float32: { code: 6, bytes: 4, safetensors: "F32", array: Float32Array },
  float64: { code: 7, bytes: 8, safetensors: "F64", array: Float64Array },
  bool: { code: 11, bytes: 1, safetensors: "BOOL", array: Uint8Array },
  bfloat16: { code: 15, bytes: 2, safetensors: "BF16", array: Uint16Array },
};

const nameOfCode = new Map(Object.entries(dtypes).map(([name, { code }]) => [code, name as DType]));

/** libtorch's code of an element type. */
export function dtypeCode(dtype: DType): number {
  const found = dtypes[dtype];
  if (found === undefined)
    throw new TypeError(`dtype: expected one of ${Object.keys(dtypes).join(", ")}, got ${dtype}`);
  return found.code;
}

/** The element type with libtorch's code. */
export function dtypeName(code: number): DType {
  const name = nameOfCode.get(code);
  if (name === undefined) throw new TypeError(`libtorch's element type ${code} is not used here`);
  return name;
}

/** The element type that a JavaScript array holds. */
export function dtypeOf(array: TypedArray): DType {
  for (const name of ["float32", "int64", "int32", "uint8", "float64", "int16", "int8"] as const)
    if (array instanceof dtypes[name].array) return name;
  throw new TypeError(`no element type for ${array.constructor.name}`);
}
