import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import * as T from "./index.ts";

// What a JavaScript caller may do that TypeScript would not let through.
const any = (value: unknown): never => value as never;
const x = T.tensor([1, 2, 3]);
const add = native.operator("aten::add", "Tensor");
const zeros = native.operator("aten::zeros", "");

const freedTensor = (): T.Tensor => {
  const made = T.ones([2]);
  made.free();
  return made;
};

const cases: readonly [name: string, action: () => unknown, message: string | RegExp][] = [
  [
    "shapes that do not fit",
    () => x.add(T.ones([2])),
    "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
  ],
  ["sizes of a product that do not fit", () => x.matmul(T.ones([2])), /size/],
  [
    "an index that is too large",
    () => T.embedding(T.ones([2, 2]), T.tensor([2], { dtype: "int64" })),
    /index out of range/,
  ],
  ["a freed tensor", () => freedTensor().add(1), "self: the tensor was freed, or is not a tensor of this thread"],
  [
    "a freed tensor as argument",
    () => x.add(freedTensor()),
    "other: the tensor was freed, or is not a tensor of this thread",
  ],
  [
    "a freed tensor in a list",
    () => T.cat([x, freedTensor()]),
    "tensors: the tensor was freed, or is not a tensor of this thread",
  ],
  ["the shape of a freed tensor", () => freedTensor().shape, "the tensor was freed, or is not a tensor of this thread"],
  ["NaN in a shape", () => T.zeros([Number.NaN]), "size: expected a whole number"],
  ["a fraction in a shape", () => T.zeros([1.5]), "size: expected a whole number"],
  ["an endless shape", () => T.zeros([Number.POSITIVE_INFINITY]), "size: expected a whole number"],
  ["a negative size", () => T.zeros([-1]), /negative/],
  ["a size of 2^53", () => T.zeros([2 ** 53]), "size: expected a whole number"],
  [
    "a size that memory cannot hold",
    () => T.zeros([2 ** 50]),
    /^out of memory: could not allocate \d+ bytes for a CPU tensor/,
  ],
  ["sizes whose product overflows", () => T.zeros([2 ** 40, 2 ** 40]), /overflow/i],
  ["a big integer beyond 64 bits", () => T.zeros(any([2n ** 64n])), "size: expected a whole number"],
  ["a string in a shape", () => T.zeros(any(["3"])), "size: expected a whole number"],
  ["a symbol in a shape", () => T.zeros(any([Symbol("s")])), "size: expected a whole number"],
  ["an object as shape", () => T.zeros(any({ length: 1 })), "size: expected an array"],
  ["an array in a shape", () => T.zeros(any([[3]])), "size: expected a whole number"],
  ["a proxy as shape", () => T.zeros(any(new Proxy([3], {}))), "size: expected an array"],
  [
    "an element type that is none",
    () => T.zeros([1], { dtype: any("float8") }),
    /^dtype: expected one of uint8, .*, got float8$/,
  ],
  ["a code that is no element type", () => native.call(zeros, [1], 99), "dtype: expected the code of an element type"],
  ["a string where a tensor belongs", () => native.call(add, x.handle, "x"), "other: expected a tensor"],
  ["an object where a tensor belongs", () => native.call(add, x.handle, {}), "other: expected a tensor"],
  ["NaN where a tensor belongs", () => native.call(add, x.handle, Number.NaN), /^other: the tensor was freed/],
  ["a handle that never was", () => native.call(add, x.handle, 2 ** 52 + 7), /^other: the tensor was freed/],
  ["a number that is half a handle", () => native.call(add, x.handle, x.handle + 0.5), /^other: the tensor was freed/],
  ["a tensor that is missing", () => native.call(add, x.handle), "aten::add: other is missing"],
  ["undefined where a tensor belongs", () => x.add(any({})), "other is missing"],
  ["too many arguments", () => native.call(add, x.handle, x.handle, 1, 2), "aten::add takes at most 3 arguments"],
  ["very many arguments", () => native.call(add, ...Array(100).fill(1)), "too many arguments"],
  ["no operator", () => native.call(any("add")), "operator: expected a whole number"],
  ["an operator that never was", () => native.call(1e6), "operator: no such number"],
  ["a negative operator", () => native.call(-1), "operator: no such number"],
  ["the name of no operator", () => native.operator("aten::ad", ""), "this libtorch has no operator aten::ad"],
  ["a device that is none", () => T.zeros([1], { device: "gpu" }), /device/i],
  ["text where a choice belongs", () => x.gelu({ approximate: "x" }), /approximate argument must be/],
  [
    "a number where true or false belongs",
    () => x.meanDim({ dim: [0], keepdim: any(1) }),
    "keepdim: expected true or false",
  ],
  ["a typed array where an array belongs", () => x.view(any(Int32Array.of(3))), "size: expected an array"],
  ["lists of unequal lengths", () => T.foreachMul_([], 2), /at least one/],
  ["memory that is no typed array", () => native.fromBuffer(any(new ArrayBuffer(4)), 6, [1]), "expected a typed array"],
  [
    "a shape that does not fit the memory",
    () => T.fromBuffer(new Float32Array(3), { shape: [2] }),
    "the shape needs 8 bytes, the array holds 12",
  ],
  [
    "a shape that overflows",
    () => T.fromBuffer(new Float32Array(0), { shape: [2 ** 52, 2 ** 52] }),
    "the shape is too large",
  ],
  [
    "a negative shape of memory",
    () => T.fromBuffer(new Float32Array(1), { shape: [-1, -1] }),
    "a shape's sizes must be 0 or more",
  ],
  [
    "elements of another width",
    () => T.fromBuffer(new Uint8Array(4), { dtype: "float32" }),
    "float32 needs 4 bytes an element, Uint8Array has 1",
  ],
  [
    "reading into too small an array",
    () => native.copyOut(x.handle, new Float32Array(2)),
    "the tensor has 12 bytes, the array holds 8",
  ],
  ["a seed that is no number", () => T.manualSeed(any("x")), "seed: expected a whole number"],
  ["no threads", () => T.setThreads(0), "threads: expected 1 to 4096, got 0"],
  ["a state that is none", () => T.setRngState(T.zeros([3], { dtype: "uint8" })), /RNG state/i],
];

test.each(cases)("%s is refused in one sentence", (_, action, message) => {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(Error);
  const found = (thrown as Error).message;
  expect(found).not.toContain("\n");
  if (typeof message === "string") expect(found).toBe(message);
  else expect(found).toMatch(message);
});

test("an error of JavaScript code that an argument runs comes through", () => {
  const shape = Object.defineProperty([1], 0, {
    get: () => {
      throw new RangeError("mine");
    },
  });
  expect(() => T.zeros(shape)).toThrow(new RangeError("mine"));
});

test("an argument may call the engine while it is read", () => {
  const shape = Object.defineProperty([0, 3], 0, {
    get: () => {
      for (let i = 0; i < 1000; i++) native.operator("aten::add", "Tensor");
      return T.tensor([2]).add(2).item();
    },
  });
  expect(T.zeros(shape).shape).toEqual([4, 3]);
});

test("a buffer that is detached while the shape is read is not used", () => {
  const array = new Float32Array([1, 2]);
  const shape = Object.defineProperty([2], 0, {
    get: () => {
      structuredClone(array.buffer, { transfer: [array.buffer] });
      return 2;
    },
  });
  expect(() => native.fromBuffer(array, 6, shape)).toThrow("the shape needs 8 bytes, the array holds 0");
});

test("a detached buffer is empty", () => {
  const array = new Float32Array([1, 2]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  expect(() => T.fromBuffer(array, { shape: [2] })).toThrow("the shape needs 8 bytes, the array holds 0");
  expect(T.fromBuffer(array).shape).toEqual([0]);
});

test("a fused optimizer's lists that do not fit are refused before anything is read", () => {
  const ones = (...shape: number[]): T.Tensor[] => [T.ones(shape)];
  const options = {
    maxExpAvgSqs: [],
    lr: 0.1,
    beta1: 0.9,
    beta2: 0.99,
    weightDecay: 0,
    eps: 1e-8,
    amsgrad: false,
    maximize: false,
  };
  const lists = (): Parameters<typeof T.fusedAdamw_>[1] => ({
    ...options,
    grads: ones(8),
    expAvgs: ones(8),
    expAvgSqs: ones(8),
    stateSteps: ones(),
  });
  const p = ones(8);
  T.fusedAdamw_(p, lists());
  expect(p[0]!.toArray()[0]).not.toBe(1);
  const matching = /expected tensors that match those of self/;
  expect(() => T.fusedAdamw_(ones(8), { ...lists(), grads: ones(4) })).toThrow(matching);
  expect(() => T.fusedAdamw_(ones(8), { ...lists(), grads: [] })).toThrow(/.+/);
  expect(() => T.fusedAdamw_(ones(8), { ...lists(), expAvgSqs: [...ones(8), ...ones(8)] })).toThrow(matching);
  expect(() => T.fusedAdamw_(ones(8), { ...lists(), grads: [T.ones([16]).slice({ step: 2 })] })).toThrow(matching);
  expect(() => T.fusedAdamw_(ones(8), { ...lists(), stateSteps: ones(2) })).toThrow(matching);
});

test.each([1, 2, 3])("random calls never crash the process (seed %i)", async (seed) => {
  const script = fileURLToPath(new URL("../../test/children/tensor-fuzz.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, String(seed), "4000"]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  expect(await once(child, "close"), output).toEqual([0, null]);
  expect(output).toMatch(/4000 calls, \d{3,4} refused/);
});
