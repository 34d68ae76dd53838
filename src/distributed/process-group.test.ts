import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { engineInfo, ones } from "../tensor/index.ts";
import { freePort, outcomes, startChild, startGroup } from "./children.fixture.ts";
import { alone } from "./environment.ts";
import { ProcessGroup } from "./process-group.ts";

// Rank r gathers [10 r, ..., 10 r + 5] as [2, 3], reduces [r, r + 1] and [r, ..., r + 2 K - 1], and broadcasts [r, r + 1], [100 r].
test.each([2, 3])("%i processes gather, reduce, scatter and broadcast, and count it", async (size) => {
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const rows = { shape: [2 * size, 3], values: ranks.flatMap((rank) => [0, 1, 2, 3, 4, 5].map((i) => 10 * rank + i)) };
  const results = await outcomes(await startGroup(size, { task: "collectives" }));
  expect(results).toEqual(
    ranks.map((rank) => ({
      result: {
        gathered: rows,
        early: { ...rows, completed: true },
        mean: [total / size, total / size + 1],
        sum: [total, total + size],
        scattered: [total + 2 * rank * size, total + (2 * rank + 1) * size],
        broadcast: [[1, 2], [100]],
        timed: true,
        // Calls, and bytes of what a rank then holds: 6 K float32, 6 K bfloat16, 2 float32, 2 K float32, 3 float32.
        traffic: {
          features: [1, 24 * size],
          early: [1, 12 * size],
          mean: [1, 8],
          allReduce: [1, 8],
          reduceScatter: [1, 8 * size],
          broadcast: [1, 12],
          barrier: [1, 0],
        },
      },
    })),
  );
});

// As the ranks give [r + 1, r + 2].
test("collectives take every element type that training has", async () => {
  const sums = { scattered: [6, 9], reduced: [6, 9] };
  const whole = { gathered: [1, 2, 2, 3, 3, 4], shared: [3, 4], ...sums };
  const types = ["float32", "float64", "bfloat16", "int64", "int32", "uint8"];
  const result = Object.fromEntries(types.map((dtype) => [dtype, whole]));
  const results = await outcomes(await startGroup(3, { task: "elementTypes" }));
  expect(results).toEqual([{ result }, { result }, { result }]);
});

test("a GPU that is asked for and not there is named", async () => {
  const { nccl, cudaDevices } = engineInfo();
  const results = await outcomes(await startGroup(2, { task: "collectives", options: { cudaDevice: 99 } }));
  const reason = nccl ? `the engine sees ${cudaDevices} CUDA devices` : "this engine was built without NCCL";
  for (const { error } of results) expect(error).toContain(`cuda:99 was asked for, but ${reason}`);
});

test("a single process needs no others", async () => {
  const group = await ProcessGroup.open(alone);
  expect(group.allGather(ones([2, 3])).shape).toEqual([2, 3]);
  expect(group.allReduceMean_(ones([2])).toArray()).toEqual([1, 1]);
  group.barrier();
  expect([...group.traffic]).toEqual([]);
  group.close();
});

test("wrong tensors are refused, and the group goes on", async () => {
  const results = await outcomes(await startGroup(2, { task: "misuse" }));
  const refused = [
    "reduceScatter: expected 2 equal parts, got a tensor of shape [5]",
    "a collective needs contiguous tensors",
    "a parameter collects no gradient",
  ];
  expect(results).toEqual([{ result: [...refused, [2]] }, { result: [...refused, [2]] }]);
});

test("a port that is in use is named", async () => {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const place = { RANK: 0, WORLD_SIZE: 2, MASTER_PORT: port };
  const { error } = await startChild({ task: "collectives", place, options: { joinTimeoutMs: 3000 } }).end;
  server.close();
  expect(error).toBe(`port ${port} of this machine is in use: give the run another MASTER_PORT`);
});

test("rank 0 names who does not come, another rank the address where nobody answers", async () => {
  const [port, wrong] = [await freePort(), await freePort()];
  const options = { joinTimeoutMs: 1500 };
  const start = (RANK: number, MASTER_PORT: number) =>
    startChild({ task: "collectives", place: { RANK, WORLD_SIZE: 3, MASTER_PORT }, options });
  const [waiting, lonely] = await outcomes([start(0, port), start(1, wrong)]);
  expect(waiting!.error).toBe(
    `the processes did not all meet at 127.0.0.1:${port} within 1.5 s: ranks 1 and 2 of 3 did not come`,
  );
  expect(lonely!.error).toBe(
    `no run answers at 127.0.0.1:${wrong} (tried for 1.5 s): rank 0 was not started, or this is not its address`,
  );
});
