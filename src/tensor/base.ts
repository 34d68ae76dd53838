// What every tensor has beside the operators: its handle, shape, element type, gradient and data.
import { type Handle, native } from "../native/addon.ts";
import { type DType, dtypeName, dtypes, type TypedArray } from "./dtype.ts";
import { track } from "./scope.ts";

const freed = -1;

/** The state of a tensor; the class `Tensor` adds the operators. */
export class TensorBase {
  handle: Handle;
  /** Not freed by the scope it was made in. */
  kept = false;

  constructor(handle: Handle) {
    this.handle = handle;
    track(this);
  }

  get shape(): number[] {
    return native.shape(this.handle);
  }

  get strides(): number[] {
    return native.strides(this.handle);
  }

  get dtype(): DType {
    return dtypeName(native.dtype(this.handle));
  }

  /** "cpu", "cuda:0", ... */
  get device(): string {
    return native.device(this.handle);
  }

  /** The number of elements. */
  get numel(): number {
    return native.numel(this.handle);
  }

  get alive(): boolean {
    return native.isAlive(this.handle);
  }

  /** The size of one dimension; negative ones count from the end. */
  size(dimension: number): number {
    const size = this.shape.at(dimension);
    if (size === undefined) throw new RangeError(`dimension ${dimension} of a tensor of shape [${this.shape}]`);
    return size;
  }

  /** Lives on after the scope it was made in, until `free()`. */
  keep(): this {
    this.kept = true;
    return this;
  }

  /** Gives the memory back now. Any later use is an error. */
  free(): void {
    native.free(this.handle);
    this.handle = freed;
  }

  /** The handle, which from now on is another's to free. Any later use of this object is an error. */
  giveAway(): Handle {
    const { handle } = this;
    this.handle = freed;
    return handle;
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }

  /** Whether backward collects a gradient in this (leaf) tensor. */
  requireGrad(requiresGrad = true): this {
    native.setRequiresGrad(this.handle, requiresGrad);
    return this;
  }

  /** Copies the elements out in row-major order; float16 and bfloat16 come as their 16 bits. */
  data(): TypedArray {
    const { array } = dtypes[this.dtype];
    const target = new array(this.numel);
    native.copyOut(this.handle, target);
    return target;
  }

  /** The elements as JavaScript numbers, in row-major order; for float32, float64 and integers up to 2^53. */
  toArray(): number[] {
    const dtype = this.dtype;
    if (dtype === "float16" || dtype === "bfloat16")
      throw new TypeError(`toArray of ${dtype}: convert to float32 first`);
    return Array.from(this.data(), Number);
  }
}
