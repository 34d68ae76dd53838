import { expect, test } from "vitest";
import { formatProfile } from "./format.ts";
import { matmulSpeed } from "./reference.ts";
import { type Recording, summarise } from "./summary.ts";
import { formatTrace } from "./trace.ts";

const product = { times: 1, m: 1000, k: 100, n: 50 }; // 10 million floating-point operations

/** Two steps of 10 ms: in each 4 ms of encoding, 2 of them in products, and 5 ms of backward. */
const recording: Recording = {
  steps: 2,
  start: 100,
  duration: 20,
  spans: [100, 110].flatMap((start) => [
    { name: "encode image", start, duration: 4, own: 4 },
    { name: "backward image", start: start + 4, duration: 5, own: 5 },
  ]),
  runs: [100, 110].flatMap((start) => [
    { name: "aten::linear", start, duration: 2.5, own: 0.5, product: undefined },
    { name: "aten::addmm", start: start + 0.5, duration: 2, own: 2, product },
    { name: "aten::empty", start: start + 3, duration: 0.001, own: 0.001, product: undefined },
  ]),
};

test("a summary gives what one step has", () => {
  const summary = summarise(recording);
  expect(summary).toMatchObject({ steps: 2, milliseconds: 10, product });
  expect(summary.phases).toEqual([
    { name: "encode image", milliseconds: 4, calls: 1 },
    { name: "backward image", milliseconds: 5, calls: 1 },
    { name: "rest", milliseconds: 1, calls: 1 },
  ]);
  expect(summary.operators.map(({ name, milliseconds, flops }) => [name, milliseconds, flops])).toEqual([
    ["aten::addmm", 2, 1e7 / 2e-3],
    ["aten::linear", 0.5, undefined],
    ["aten::empty", 0.001, undefined],
  ]);
  expect(summary.flop).toBe(1e7);
  expect(summary.flops).toBe(1e7 / 2e-3);
});

test("the tables", () => {
  const reference = { product, dtype: "float32", flops: 8e9 } as const;
  expect(formatProfile(summarise(recording), reference).join("\n")).toMatchInlineSnapshot(`
    "profile of 2 steps: 10.0 ms a step

    phase             ms   share
    encode image    4.00  40.0 %
    backward image  5.00  50.0 %
    rest            1.00  10.0 %

    operator        ms    share  calls  GFLOP/s
    aten::addmm   2.00   20.0 %      1     5.00
    aten::linear  0.50    5.0 %      1
    aten::empty   0.00  0.010 %      1

    0.01 GFLOP a step in products of matrices, convolutions and attention: 1.00 GFLOP/s over the whole step, 5.00 while they run;
    a product of [1000, 100] and [100, 50] in float32, alone and in memory that it knows, reaches 8.00 GFLOP/s"
  `);
  const nothing = summarise({ ...recording, runs: [] });
  expect(formatProfile(nothing, undefined).at(-1)).toBe("no products of matrices were recorded");
});

test("the trace has phases and what of operators can be seen, in microseconds from its start", () => {
  const { traceEvents, otherData } = JSON.parse(formatTrace(recording, summarise(recording)));
  expect(traceEvents).toHaveLength(8);
  expect(traceEvents[2]).toMatchObject({ name: "encode image", ph: "X", cat: "phase", ts: 10_000, dur: 4000 });
  expect(traceEvents[5]).toMatchObject({
    name: "aten::addmm",
    cat: "operator",
    ts: 500,
    dur: 2000,
    args: { gflops: 5 },
  });
  expect(otherData.milliseconds).toBe(10);
});

test("a product of matrices has a speed in either type", () => {
  for (const dtype of ["float32", "bfloat16"] as const)
    expect(matmulSpeed({ times: 1, m: 16, k: 16, n: 16 }, dtype)).toBeGreaterThan(0);
});
