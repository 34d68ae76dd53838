// How generated code reaches the dispatcher.
import { native } from "../native/addon.ts";

/** Number, boolean or big integer where a schema says Scalar; whole numbers stay integers, as in Python. */
export type Scalar = number | boolean | bigint;

export type MemoryFormat = "contiguous" | "preserve" | "channelsLast";

const memoryFormats: Readonly<Record<MemoryFormat, number>> = { contiguous: 0, preserve: 1, channelsLast: 2 };

/** libtorch's code (c10/core/MemoryFormat.h). */
export function memoryFormatCode(format: MemoryFormat): number {
  return memoryFormats[format];
}

/** Looks an operator up by its schema name, such as "aten::add" and "Tensor". */
export function operator(name: string, overload: string): number {
  return native.operator(name, overload);
}

/** Calls it with tensors as handles; undefined takes the schema's default. */
export const call: (operator: number, ...args: unknown[]) => unknown = native.call;
