// Calls random operators with random arguments, right and wrong: SEED CALLS. Every failure must come as an Error of one line, so the
// process ends with exit code 0; a crash ends it otherwise.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Argument, parseSchema } from "../../scripts/generate-ops/schema.ts";
import { native } from "../../src/native/addon.ts";
import { packageRoot } from "../../src/native/locate.ts";

const [seed = 1, calls = 1000] = process.argv.slice(2).map(Number);

/** The mulberry32 generator. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

interface Operation {
  readonly name: string;
  readonly number: number;
  readonly arguments: readonly Argument[];
}

/** from_file opens the paths it is given, so it is left out. */
function operations(): Operation[] {
  const text = readFileSync(join(packageRoot(), "src", "tensor", "ops.txt"), "utf8");
  const names = [...text.matchAll(/aten::\w+(\.\w+)?/g)]
    .map(([name]) => name)
    .filter((name) => name !== "aten::from_file");
  return names.map((name) => {
    const [base = "", overload = ""] = name.split(".");
    return {
      name,
      number: native.operator(base, overload),
      arguments: parseSchema(native.schema(base, overload)).arguments,
    };
  });
}

const shapes = [[], [0], [1], [3], [2, 3], [3, 2], [0, 3], [2, 3, 4], [1, 2, 5, 5], [2, 2, 3, 3], [1, 1, 1, 1, 2]];
const dtypes = [0, 1, 2, 3, 4, 5, 6, 7, 11, 15];
const zeros = native.operator("aten::zeros", "");
const rand = native.operator("aten::rand", "");
const pool: number[] = [];

function newTensor(): number {
  const dtype = random() < 0.6 ? 6 : pick(dtypes);
  const handle = native.call([5, 6, 7, 15].includes(dtype) ? rand : zeros, pick(shapes), dtype) as number;
  if (dtype === 6 && random() < 0.3) native.setRequiresGrad(handle, true);
  return handle;
}

/** Small, or so large that nothing can be allocated: what lies between would only eat memory. */
const someInt = (): number =>
  random() < 0.9 ? below(9) - 3 : pick([2 ** 47, -(2 ** 47), 2 ** 53 - 1, -(2 ** 53) + 1]);
const someFloat = (): number => pick([0, -0, 1, 0.5, -2.5, 1e-30, 1e30, Number.NaN, Infinity, -Infinity]);
const listOf = <T>(element: () => T): T[] => Array.from({ length: below(5) }, element);

function rightFor(type: string): unknown {
  switch (type) {
    case "Tensor":
      return pick(pool);
    case "Tensor[]":
      return listOf(() => pick(pool));
    case "int":
      return someInt();
    case "int[]":
      return listOf(someInt);
    case "float":
      return someFloat();
    case "bool":
      return random() < 0.5;
    case "Scalar":
      return pick<() => unknown>([someFloat, someInt, () => true])();
    case "str":
      return pick(["none", "tanh", "", "mean"]);
    case "Device":
      return pick(["cpu", "meta:x", "cuda:99", "", "nowhere"]);
    case "ScalarType":
      return random() < 0.9 ? pick(dtypes) : someInt();
    case "MemoryFormat":
      return random() < 0.9 ? below(3) : someInt();
    default:
      return undefined;
  }
}

const wrong: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => "",
  () => "text\0with\nlines",
  () => Symbol("s"),
  () => 12n,
  () => 2n ** 80n,
  () => ({}),
  () => ({ handle: 5 }),
  () => () => 1,
  () => new Float32Array(3),
  () => new ArrayBuffer(4),
  () => [[1], [2]],
  () => [null, undefined, "x", Number.NaN],
  () => Object.defineProperty([1, 2], 0, { get: () => native.operator("aten::add", "Tensor") }),
  () => new Proxy([1, 2], {}),
  () => someFloat(),
  () => someInt(),
  () => listOf(someFloat),
  () => pick(pool) + 1,
  () => listOf(() => pick(pool)),
];

function keep(value: unknown): void {
  if (Array.isArray(value)) value.forEach(keep);
  else if (typeof value === "number" && value >= 2 ** 24 && native.isAlive(value)) {
    if (native.numel(value) <= 512 && native.shape(value).every((size) => size < 64)) pool.push(value);
    else native.free(value);
  }
}

for (let i = 0; i < 40; i++) pool.push(newTensor());
const all = operations();
let failures = 0;
for (let i = 0; i < calls; i++) {
  const operation = pick(all);
  const sane = random() < 0.75;
  const args = operation.arguments
    .filter((argument) => !(argument.hasDefault || argument.optional) || random() < 0.8)
    .map((argument) => (sane || random() < 0.7 ? rightFor(argument.type) : pick(wrong)()));
  if (random() < 0.02) args.push(...listOf(() => pick(wrong)()));
  try {
    keep(native.call(operation.number, ...args));
  } catch (error) {
    failures++;
    const { message } = error as Error;
    if (!(error instanceof Error) || message === "" || message.includes("\n"))
      throw new Error(`${operation.name} fails with ${JSON.stringify(message)}, not with one line`);
  }
  if (random() < 0.3) native.free(pool.splice(below(pool.length), 1)[0]!);
  while (pool.length < 40) pool.push(newTensor());
  while (pool.length > 80) native.free(pool.shift()!);
}
console.log(`${calls} calls, ${failures} refused`);
