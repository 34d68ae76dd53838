import { expect, test } from "vitest";
import * as T from "./index.ts";

test("a seed gives the same numbers again, another seed others", () => {
  const draw = (seed: number): number[] => {
    T.manualSeed(seed);
    return [
      ...T.randn([3]).toArray(),
      ...T.rand([2]).toArray(),
      T.randint(1000, [1]).item(),
      T.zeros([1]).normal_().item(),
    ];
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test("a state goes on where it was taken", () => {
  T.manualSeed(3);
  T.randn([5]); // normal numbers come in pairs: the state holds the half that is left
  const state = T.rngState();
  const next = (): number[] => [
    ...T.randn([17]).toArray(),
    ...T.rand([5]).toArray(),
    ...T.zeros([4]).uniform_().toArray(),
  ];
  const first = next();
  expect(next()).not.toEqual(first);
  T.setRngState(state);
  expect(next()).toEqual(first);
  T.setRngState(T.fromBuffer(state.data()));
  expect(next()).toEqual(first);
});

test("threads can be set", () => {
  const before = T.threads();
  for (const count of [1, 3, before]) {
    T.setThreads(count);
    expect([T.threads(), T.kernelThreads()]).toEqual([count, count]);
  }
});

test("without denormal numbers operators of any size take them for 0, and only there", () => {
  const before = T.threads();
  const small = T.tensor(1e-40).expand([1_000_000]).contiguous();
  const products = (): T.Tensor[] => [small.mul(1), small.narrow(0, 0, 3).mul(1)];
  const largest = (tensors: readonly T.Tensor[]): number[] => tensors.map((x) => x.max().item());
  for (const count of [1, 3]) {
    T.setThreads(count);
    expect(largest(T.withoutDenormals(products))).toEqual([0, 0]);
    expect(largest(products()).every((x) => x > 0)).toBe(true);
  }
  const fail = (): never => {
    throw new Error("stopped");
  };
  T.setThreads(before);
  expect(() => T.withoutDenormals(fail)).toThrow("stopped");
  expect(largest(products()).every((x) => x > 0)).toBe(true);
});

test("the engine tells its version", () => {
  const { version, cpuCapability, cudaDevices } = T.engineInfo();
  expect(version).toMatch(/^2\.1[1-5]\./);
  expect(cpuCapability).not.toBe("");
  expect(cudaDevices).toBeGreaterThanOrEqual(0);
});

const MiB = 2 ** 20;
/** The memory of large tensors comes from the system in so many bytes. */
const fromSystem = 2 * MiB;

test("memory figures tell what is used, kept and was used at most", () => {
  T.emptyCache();
  T.resetPeakMemory();
  const start = T.tensorMemory();
  expect(start.cached).toBe(0);
  const x = T.zeros([4 * MiB]);
  const used = T.tensorMemory().used - start.used;
  expect(used).toBeGreaterThanOrEqual(16 * MiB);
  expect(used).toBeLessThanOrEqual((16 * MiB * 9) / 8 + 64);
  x.free();
  const after = T.tensorMemory();
  const taken = Math.ceil(used / fromSystem) * fromSystem;
  expect(after).toEqual({ used: start.used, cached: taken, peak: start.used + used });
  T.zeros([4 * MiB]).free();
  expect(T.tensorMemory()).toEqual(after); // the kept block served again
  T.emptyCache();
  expect(T.tensorMemory().cached).toBe(0);
  T.resetPeakMemory();
  expect(T.tensorMemory().peak).toBe(T.tensorMemory().used);
});

test("tensors of every size keep their data", () => {
  const sizes = [
    0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 1000, 1023, 1024, 1025, 4096, 65_537, 262_128, 262_144, 262_145, 1_000_003,
  ];
  const made = sizes.map((size, i) => ({ size, i, tensor: T.full([size], i, { dtype: "float32" }) }));
  for (const { tensor, i } of made.filter(({ i }) => i % 2 === 0)) {
    expect(tensor.eq(i).all().item()).toBe(1);
    tensor.free();
  }
  const again = sizes.map((size) => T.full([size], -1));
  for (const { tensor, i } of made.filter(({ i }) => i % 2 === 1)) expect(tensor.eq(i).all().item()).toBe(1);
  for (const tensor of again) expect(tensor.eq(-1).all().item()).toBe(1);
});

test("blocks of any size come from a bin that is large enough and at most an eighth larger", () => {
  T.emptyCache();
  for (let bytes = 1; bytes < 2 ** 27; bytes = Math.ceil(bytes * 1.03)) {
    const before = T.tensorMemory().used;
    const x = T.empty([bytes], { dtype: "uint8" });
    const block = T.tensorMemory().used - before;
    expect(block).toBeGreaterThanOrEqual(bytes + 64);
    expect(block).toBeLessThanOrEqual(Math.max(((bytes + 64) * 9) / 8, bytes + 128));
    x.free();
    T.emptyCache();
  }
});

function held(): number {
  const { used, cached } = T.tensorMemory();
  return used + cached;
}

function bytes(size: number): T.Tensor {
  return T.empty([size], { dtype: "uint8" });
}

test("a large block is cut where less is asked for, and what is freed is joined again", () => {
  T.emptyCache();
  bytes(24 * MiB).free();
  const whole = held();
  for (let round = 0; round < 2; round++) {
    const parts = [7, 5, 10].map((size) => bytes(size * MiB));
    expect(held()).toBe(whole);
    for (const i of [1, 0, 2]) parts[i]!.free();
    const joined = bytes(24 * MiB);
    expect(held()).toBe(whole);
    joined.free();
  }
  T.emptyCache();
});

test("what came in pieces serves one large block when it is free, also where other memory was mapped in between", () => {
  T.emptyCache();
  const others: Buffer[] = [];
  const pieces = Array.from({ length: 50 }, (_, i) => {
    others.push(Buffer.alloc(3 * MiB));
    return bytes((1 + (i % 7)) * MiB + 12_345 * i);
  });
  const whole = held();
  const sum = pieces.reduce((total, piece) => total + piece.numel, 0);
  for (const piece of pieces) piece.free();
  const joined = bytes(sum);
  expect(held()).toBe(whole);
  joined.free();
  expect(others).toHaveLength(50);
  T.emptyCache();
});

test("what is kept never exceeds a quarter over the most that was used", () => {
  T.emptyCache();
  T.resetPeakMemory();
  let state = 12345;
  const random = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 1;
    return state % limit;
  };
  const alive: T.Tensor[] = [];
  for (let i = 0; i < 3000; i++) {
    alive.push(T.empty([1 + random(2 ** (4 + random(19)))]));
    if (alive.length > 12) alive.splice(random(alive.length), 1)[0]!.free();
    const { used, cached, peak } = T.tensorMemory();
    expect(used + cached).toBeLessThanOrEqual(peak * 1.25);
  }
  for (const x of alive) x.free();
});

test("a steady loop takes no more memory from the system", () => {
  T.setThreads(1); // quick also where the machine is busy
  const weights = [T.randn([256, 256]), T.randn([256, 256])].map((w) => w.requireGrad());
  const step = (rows: number): void =>
    T.scope(() => {
      const hidden = T.linear(T.randn([rows, 256]), weights[0]!).gelu();
      T.backward([T.linear(hidden, weights[1]!).square().mean()]);
      for (const w of weights) T.setGrad(w, null);
    });
  const steps = (count: number): void => {
    for (let i = 0; i < count; i++) step(512 + 128 * (i % 5));
  };
  steps(40);
  const before = { rss: process.memoryUsage.rss(), ...T.tensorMemory() };
  steps(120); // some 5 MB of tensors a step and more
  const after = { rss: process.memoryUsage.rss(), ...T.tensorMemory() };
  expect(after.used).toBe(before.used);
  expect(after.rss - before.rss).toBeLessThan(16 * MiB);
});

test("memory that the system does not have is an error, and the next tensor is made", () => {
  expect(() => T.empty([2 ** 45], { dtype: "uint8" })).toThrow(
    /^out of memory: could not allocate 35184372088832 bytes for a CPU tensor$/,
  );
  expect(T.ones([2]).toArray()).toEqual([1, 1]);
});
