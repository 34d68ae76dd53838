// The allow-list: every name that a file of torch.save may hold, and what it stands for here.
import { type DType, dtypes } from "../dtype.ts";
import { Callable, ElementType, Marker, ScriptClass, Storage, StorageType, StoredTensor, Tuple } from "./values.ts";

/** What a name stands for; undefined when it is not allowed. */
export function findGlobal(name: string): unknown {
  // Classes of a TorchScript archive: their code lies in the archive and is not looked at.
  return name.startsWith("__torch__.") ? scriptClass : globals.get(name);
}

/** What torch.save writes in place of memory: ("storage", type, key, device, size). */
export function findStorage(id: unknown): Storage | undefined {
  const [kind, type, key, , size] = id instanceof Tuple ? id.items : [];
  if (kind !== "storage" || !(type instanceof StorageType) || typeof key !== "string" || !isSize(size))
    return undefined;
  return new Storage(key, { type, size });
}

const scriptClass = new ScriptClass();

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const sizesIn = (value: unknown): readonly number[] | undefined =>
  value instanceof Tuple && value.items.every(isSize) ? value.items : undefined;

/** (storage, offset, size, stride, requires_grad, backward_hooks[, metadata]), of which the first four say where the tensor lies. */
function rebuildTensor(args: readonly unknown[]): StoredTensor | undefined {
  const [storage, offset, size, stride, , , metadata] = args;
  const dtype = storage instanceof Storage ? storage.type.dtype : undefined;
  return dtype === undefined ? undefined : stored({ storage, dtype, offset, size, stride, metadata });
}

/** The same over memory without an element type, which comes before the metadata. */
function rebuildUntyped(args: readonly unknown[]): StoredTensor | undefined {
  const [storage, offset, size, stride, , , type, metadata] = args;
  return type instanceof ElementType
    ? stored({ storage, dtype: type.dtype, offset, size, stride, metadata })
    : undefined;
}

interface Layout {
  readonly storage: unknown;
  readonly dtype: DType;
  readonly offset: unknown;
  readonly size: unknown;
  readonly stride: unknown;
  readonly metadata: unknown;
}

function stored({ storage, dtype, offset, size, stride, metadata }: Layout): StoredTensor | undefined {
  const [shape, strides] = [sizesIn(size), sizesIn(stride)];
  if (!(storage instanceof Storage) || !isSize(offset) || shape === undefined || shape.length !== strides?.length)
    return undefined;
  // A tensor that is to be conjugated or negated when it is read.
  if (metadata instanceof Map && [...metadata.values()].some(Boolean)) return undefined;
  return new StoredTensor(storage, { dtype, offset, shape, strides });
}

const isPair = (value: unknown): value is [unknown, unknown] => Array.isArray(value) && value.length === 2;

/** An ordered dict is called without arguments, or with its items. */
function dictOf(items: unknown = []): Map<unknown, unknown> | undefined {
  const pairs = Array.isArray(items) ? items.map((item) => (item instanceof Tuple ? item.items : item)) : undefined;
  return pairs?.every(isPair) ? new Map(pairs) : undefined;
}

const parameter = ([data]: readonly unknown[]): unknown => (data instanceof StoredTensor ? data : undefined);

/** A tensor with attributes of its own, (rebuild, type, args, state): the attributes are left out. */
function rebuildFromType([rebuild, type, args]: readonly unknown[]): unknown {
  const plain = [tensorV2, tensorV3].find((known) => known === rebuild);
  return type instanceof Marker && args instanceof Tuple ? plain?.call(args.items) : undefined;
}

const tensorV2 = new Callable("torch._utils._rebuild_tensor_v2", rebuildTensor);
const tensorV3 = new Callable("torch._utils._rebuild_tensor_v3", rebuildUntyped);

const callables: readonly Callable[] = [
  tensorV2,
  tensorV3,
  new Callable("torch._utils._rebuild_parameter", parameter),
  new Callable("torch._utils._rebuild_parameter_with_state", parameter),
  new Callable("torch._tensor._rebuild_from_type_v2", rebuildFromType),
  new Callable("torch.Size", ([sizes]) => sizesIn(sizes) && sizes),
  new Callable("torch.device", ([type]) => (typeof type === "string" ? type : undefined)),
  new Callable("collections.OrderedDict", ([pairs]) => dictOf(pairs)),
  new Callable("collections.defaultdict", ([factory]) => (factory instanceof Marker ? new Map() : undefined)),
  new Callable("collections.Counter", ([counts]) => (counts instanceof Map ? new Map(counts) : undefined)),
  new Callable("builtins.set", ([items]) => (Array.isArray(items) ? new Set(items) : undefined)),
  // How protocol 2 writes bytes: a text with a character for each.
  new Callable("_codecs.encode", ([text, encoding]) =>
    typeof text === "string" && encoding === "latin1" ? Buffer.from(text, "latin1") : undefined,
  ),
];

const markers = ["torch.Tensor", "torch.nn.parameter.Parameter", "builtins.dict", "builtins.list", "builtins.int"];

/** Storages by the names that torch/storage.py gives them. */
const storages: Readonly<Record<string, DType>> = {
  ByteStorage: "uint8",
  CharStorage: "int8",
  ShortStorage: "int16",
  IntStorage: "int32",
  LongStorage: "int64",
  HalfStorage: "float16",
  FloatStorage: "float32",
  DoubleStorage: "float64",
  BoolStorage: "bool",
  BFloat16Storage: "bfloat16",
};

const globals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...callables.map((callable) => [callable.name, callable] as const),
  ...markers.map((name) => [name, new Marker(name)] as const),
  ...Object.entries(storages).map(([name, dtype]) => [`torch.${name}`, new StorageType(dtype)] as const),
  ["torch.storage.UntypedStorage", new StorageType(undefined)],
  ...Object.keys(dtypes).map((dtype) => [`torch.${dtype}`, new ElementType(dtype as DType)] as const),
]);
