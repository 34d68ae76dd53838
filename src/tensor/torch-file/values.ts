// What a pickle of torch.save becomes. A dict is a Map, a list an array, None null, an integer a number or, where that is not exact, a bigint.
import type { DType } from "../dtype.ts";

/** A Python tuple. */
export class Tuple {
  readonly items: readonly unknown[];

  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** Something of the allow-list that is called. It is ours: no code of the file runs. It gives undefined for arguments that it does not take. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly unknown[]) => unknown;

  constructor(name: string, call: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** `torch.float32` and the like. */
export class ElementType {
  readonly dtype: DType;

  constructor(dtype: DType) {
    this.dtype = dtype;
  }
}

/** `torch.FloatStorage` and the like; `torch.storage.UntypedStorage` has no element type. */
export class StorageType {
  readonly dtype: DType | undefined;

  constructor(dtype: DType | undefined) {
    this.dtype = dtype;
  }
}

/** A class or a function that is named beside a tensor and that nothing is asked of: `torch.Tensor`, `dict`. */
export class Marker {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A class of a TorchScript archive, whose code stays unread. */
export class ScriptClass {}

/** A module of a TorchScript archive: its parameters, buffers, numbers and parts by name. */
export class ScriptObject {
  attributes: ReadonlyMap<unknown, unknown> = new Map();
}

/** Memory of the file that tensors share: the entry `data/KEY`. */
export class Storage {
  readonly key: string;
  readonly type: StorageType;
  /** Elements, or bytes where the storage has no element type. */
  readonly size: number;

  constructor(key: string, { type, size }: { type: StorageType; size: number }) {
    this.key = key;
    this.type = type;
    this.size = size;
  }
}

/** Where a tensor lies in the file, and in which form; offset and strides count elements. Nothing of it has been read yet. */
export class StoredTensor {
  readonly storage: Storage;
  readonly dtype: DType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(
    storage: Storage,
    layout: { dtype: DType; offset: number; shape: readonly number[]; strides: readonly number[] },
  ) {
    this.storage = storage;
    this.dtype = layout.dtype;
    this.offset = layout.offset;
    this.shape = layout.shape;
    this.strides = layout.strides;
  }
}
