import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { fromBuffer, liveTensors, ones, scope, type Tensor, tensor } from "./index.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("a tensor of JavaScript numbers has memory of its own", () => {
  const values = [1, 2, 3, 4];
  const x = tensor(values, { shape: [2, 2] });
  values[0] = 9;
  expect([x.shape, x.dtype, x.toArray()]).toEqual([[2, 2], "float32", [1, 2, 3, 4]]);
  expect([tensor(5).shape, tensor(5).item(), tensor([]).shape]).toEqual([[], 5, [0]]);
  expect(tensor([1, 0], { dtype: "bool" }).data()).toEqual(Uint8Array.of(1, 0));
  expect(tensor([2 ** 53 - 1], { dtype: "int64" }).data()).toEqual(BigInt64Array.of(2n ** 53n - 1n));
  expect(() => tensor([1.5], { dtype: "int64" })).toThrow(/1\.5/);
  const before = liveTensors();
  tensor([1], { dtype: "float64" }).free();
  expect(liveTensors()).toBe(before);
});

const arrays = [
  [new Float32Array([1]), "float32"],
  [new Float64Array([1]), "float64"],
  [new BigInt64Array([1n]), "int64"],
  [new Int32Array([1]), "int32"],
  [new Int16Array([1]), "int16"],
  [new Int8Array([1]), "int8"],
  [new Uint8Array([1]), "uint8"],
] as const;

test.each(arrays)("an array tells its element type: %o", (array, dtype) => {
  const x = fromBuffer(array);
  expect([x.dtype, x.item()]).toEqual([dtype, 1]);
});

test("types that have no array are named", () => {
  expect(fromBuffer(Uint16Array.of(0x3f80), { dtype: "bfloat16" }).to("float32").item()).toBe(1);
  expect(fromBuffer(Uint8Array.of(1, 0), { dtype: "bool" }).all().item()).toBe(0);
  expect(() => fromBuffer(Uint16Array.of(1))).toThrow("no element type for Uint16Array");
});

test("shared memory is seen from both sides, through a view with an offset too", () => {
  const memory = new SharedArrayBuffer(64);
  const whole = new Float32Array(memory);
  const x = fromBuffer(new Float32Array(memory, 16, 4), { shape: [2, 2] });
  whole.set([1, 2, 3, 4], 4);
  expect(x.toArray()).toEqual([1, 2, 3, 4]);
  x.mul_(10);
  expect([...whole.subarray(3, 9)]).toEqual([0, 10, 20, 30, 40, 0]);
});

test("what a worker writes into shared memory is in the tensor", async () => {
  const memory = new SharedArrayBuffer(16);
  const x = fromBuffer(new Int32Array(memory));
  const code = 'const { workerData } = require("node:worker_threads"); new Int32Array(workerData).set([1, 2, 3, 4]);';
  const worker = new Worker(code, { eval: true, workerData: memory });
  await new Promise((resolve) => worker.once("exit", resolve));
  expect(x.toArray()).toEqual([1, 2, 3, 4]);
});

/** Runs the garbage collector until `done`, at most for a second. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let i = 0; i < 50 && !done(); i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test.each(["ArrayBuffer", "SharedArrayBuffer"])("an %s lives as long as its tensor, and no longer", async (kind) => {
  let collected = false;
  const registry = new FinalizationRegistry(() => {
    collected = true;
  });
  const make = (): [Tensor, Tensor] => {
    const memory = kind === "ArrayBuffer" ? new ArrayBuffer(2 ** 20) : new SharedArrayBuffer(2 ** 20);
    registry.register(memory, undefined);
    const x = fromBuffer(new Float32Array(memory).fill(7));
    return [x, x.narrow(0, 10, 5)];
  };
  const [x, view] = make();
  for (let i = 0; i < 5; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(collected).toBe(false);
  expect(x.eq(7).all().item()).toBe(1);
  x.free();
  for (let i = 0; i < 3; i++) collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([collected, view.toArray()]).toEqual([false, [7, 7, 7, 7, 7]]);
  view.free();
  await collectUntil(() => collected);
  expect(collected).toBe(true);
});

test("memory that could go away is refused or pinned", () => {
  const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  const resizable = new Float32Array(new Resizable(16, { maxByteLength: 32 }));
  expect(() => fromBuffer(resizable)).toThrow("expected an ArrayBuffer of fixed length, got a resizable one");
  const array = new Float32Array([1, 2]);
  const x = fromBuffer(array);
  try {
    structuredClone(array.buffer, { transfer: [array.buffer] });
  } catch {
    // Later versions of Node refuse, earlier ones copy.
  }
  expect([array.length, x.toArray()]).toEqual([2, [1, 2]]);
});

test("many buffers come and go in a scope", () => {
  const before = liveTensors();
  for (let i = 0; i < 2000; i++)
    scope(() =>
      expect(
        fromBuffer(new Float32Array([i, 1]))
          .mul(ones([2]))
          .sum()
          .item(),
      ).toBe(i + 1),
    );
  expect(liveTensors()).toBe(before);
});
