// Python's pickle format, protocol 2 (PEP 307), as far as torch.save and TorchScript write it.
import { Callable, ScriptClass, ScriptObject, Tuple } from "./values.ts";

export interface PickleOptions {
  /** Begins the messages. */
  readonly where: string;
  /** What the name of a global stands for; undefined where it is not allowed. */
  readonly global: (name: string) => unknown;
  /** What a persistent id stands for; undefined where it is none. */
  readonly persistent: (id: unknown) => unknown;
}

/**
 * The value that a pickle describes. A pickle is a program for a machine with a stack; this machine makes data and calls what
 * `global` hands out, which is all that it can do. Throws an error that names the first global that is not allowed.
 */
export function unpickle(bytes: Buffer, options: PickleOptions): unknown {
  return new Unpickler(bytes, options).load();
}

/** Longer names are not of Python. */
const longestName = 1024;

class Unpickler {
  readonly #bytes: Buffer;
  readonly #options: PickleOptions;
  readonly #stack: unknown[] = [];
  /** Heights of the stack at which a MARK lies. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  /** Of the next byte, and of the operation that runs. */
  #position = 0;
  #operation = 0;

  constructor(bytes: Buffer, options: PickleOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  load(): unknown {
    for (;;) {
      this.#operation = this.#position;
      const code = this.byte();
      if (code === stop) return this.pop();
      const operation = operations.get(code);
      if (!operation) throw this.refuse(`the operation 0x${code.toString(16)} is not one that torch.save writes`);
      operation(this);
    }
  }

  refuse(what: string): Error {
    return new Error(`${this.#options.where}: ${what} (byte ${this.#operation})`);
  }

  take(length: number): Buffer {
    const start = this.#position;
    if (length > this.#bytes.length - start) throw this.refuse(`is cut off at byte ${this.#bytes.length}`);
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  line(): string {
    const end = this.#bytes.indexOf(10, this.#position);
    if (end < 0 || end - this.#position > longestName) throw this.refuse("a name does not end");
    return this.take(end + 1 - this.#position)
      .subarray(0, -1)
      .toString();
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    this.top();
    return this.#stack.pop();
  }

  top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.refuse("takes more values than there are");
    return this.#stack.at(-1);
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** All values above the last mark, which goes. */
  popMarked(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.refuse("a mark is missing");
    return this.#stack.splice(mark);
  }

  remember(index: number): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) throw this.refuse(`nothing is remembered as ${index}`);
    this.push(this.#memo.get(index));
  }

  global(): void {
    const name = `${this.line()}.${this.line()}`.replace(/^__builtin__\./, "builtins."); // as Python 2 called it
    const value = this.#options.global(name);
    if (value === undefined)
      throw this.refuse(`names ${JSON.stringify(name)}, which is not among the few things that weights are made of`);
    this.push(value);
  }

  persistent(): void {
    const value = this.#options.persistent(this.pop());
    if (value === undefined) throw this.refuse("a persistent id does not describe a storage");
    this.push(value);
  }
}

/** REDUCE: calls something of the allow-list. */
function reduce(machine: Unpickler): void {
  const [args, callable] = [machine.pop(), machine.pop()];
  if (!(callable instanceof Callable && args instanceof Tuple)) throw machine.refuse("calls what is no function");
  const value = callable.call(args.items);
  if (value === undefined) throw machine.refuse(`${callable.name} is called with arguments that it does not take`);
  machine.push(value);
}

/** NEWOBJ: only modules of TorchScript are made in this way. */
function newObject(machine: Unpickler): void {
  const [args, type] = [machine.pop(), machine.pop()];
  if (!(type instanceof ScriptClass && args instanceof Tuple && args.items.length === 0))
    throw machine.refuse("makes an object of what is no class of TorchScript");
  machine.push(new ScriptObject());
}

/** BUILD: gives a module its attributes. Those of an OrderedDict (a state dict's `_metadata`) are left out. */
function build(machine: Unpickler): void {
  const [state, target] = [machine.pop(), machine.top()];
  if (target instanceof ScriptObject && state instanceof Map) target.attributes = state;
  else if (!(target instanceof Map)) throw machine.refuse("sets attributes of what has none");
}

function append(machine: Unpickler, values: readonly unknown[]): void {
  const target = machine.top();
  if (!Array.isArray(target)) throw machine.refuse("appends to what is no list");
  for (const value of values) target.push(value);
}

function setItems(machine: Unpickler, values: readonly unknown[]): void {
  const target = machine.top();
  if (!(target instanceof Map) || values.length % 2 !== 0) throw machine.refuse("sets items of what is no dict");
  for (let i = 0; i < values.length; i += 2) target.set(values[i], values[i + 1]);
}

function popMany(machine: Unpickler, count: number): unknown[] {
  return Array.from({ length: count }, () => machine.pop()).reverse();
}

function protocol(machine: Unpickler): void {
  const version = machine.byte();
  if (version !== 2) throw machine.refuse(`has pickle protocol ${version}, expected 2, which torch.save writes`);
}

/** A little-endian integer in two's complement. */
function longInteger(bytes: Buffer): number | bigint {
  const digits = Buffer.from(bytes).reverse().toString("hex");
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${digits || "0"}`));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const stop = 0x2e; // "."
type Operation = (machine: Unpickler) => void;

/** The operations by their byte; the names are those of Python's pickletools. */
const operations: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [0x80, protocol], // PROTO
  [0x28, (m) => m.mark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.take(4).readInt32LE())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.take(2).readUInt16LE())], // BININT2
  [0x8a, (m) => m.push(longInteger(m.take(m.byte())))], // LONG1
  [0x47, (m) => m.push(m.take(8).readDoubleBE())], // BINFLOAT
  [0x58, (m) => m.push(m.take(m.take(4).readUInt32LE()).toString())], // BINUNICODE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x29, (m) => m.push(new Tuple([]))], // EMPTY_TUPLE
  [0x74, (m) => m.push(new Tuple(m.popMarked()))], // TUPLE
  [0x85, (m) => m.push(new Tuple(popMany(m, 1)))], // TUPLE1
  [0x86, (m) => m.push(new Tuple(popMany(m, 2)))], // TUPLE2
  [0x87, (m) => m.push(new Tuple(popMany(m, 3)))], // TUPLE3
  [0x61, (m) => append(m, popMany(m, 1))], // APPEND
  [0x65, (m) => append(m, m.popMarked())], // APPENDS
  [0x73, (m) => setItems(m, popMany(m, 2))], // SETITEM
  [0x75, (m) => setItems(m, m.popMarked())], // SETITEMS
  [0x71, (m) => m.remember(m.byte())], // BINPUT
  [0x72, (m) => m.remember(m.take(4).readUInt32LE())], // LONG_BINPUT
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.take(4).readUInt32LE())], // LONG_BINGET
  [0x63, (m) => m.global()], // GLOBAL
  [0x51, (m) => m.persistent()], // BINPERSID
  [0x52, reduce], // REDUCE
  [0x81, newObject], // NEWOBJ
  [0x62, build], // BUILD
]);
