import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { backward, gradOf, ones, randn, scope, tensorMemory } from "./index.ts";

const script = new URL("../../test/children/tensor-thread.ts", import.meta.url);

/** `argument` is a handle, or a number to tell workers apart. */
function start(task: string, argument = 0): Worker {
  // A thread's loader does not know TypeScript until tsx tells it.
  const code = `import("tsx/esm/api").then(({ register }) => { register(); return import("${script}"); });`;
  const worker = new Worker(code, { eval: true, workerData: { task, argument } });
  ends.push(once(worker, "exit"));
  return worker;
}

// A thread that is still ending frees its tensors while the next test counts them.
const ends: Promise<unknown>[] = [];
afterEach(() => Promise.all(ends.splice(0)));

test("two workers and the main thread run operators and backward at once", async () => {
  const workers = [start("train"), start("train")];
  const replies = Promise.all(workers.map((worker) => once(worker, "message")));
  const ends = Promise.all(workers.map((worker) => once(worker, "exit")));
  const w = randn([32, 8]).requireGrad();
  let done = false;
  replies.finally(() => {
    done = true;
  });
  let steps = 0;
  while (!done) {
    for (let i = 0; i < 20; i++, steps++) scope(() => backward([ones([16, 32]).matmul(w).sum()]));
    await new Promise(setImmediate);
  }
  // Each of the 256 gradients grows by 16 a step.
  expect(gradOf(w)!.sum().item()).toBe(256 * 16 * steps);
  // What lives on is w, and the gradient that the body returned is freed by its scope.
  for (const [reply] of await replies) expect(reply).toEqual({ gradient: 256 * 16 * 200, live: 1 });
  expect(await ends).toEqual([[0], [0]]);
});

test("threads that make and free tensors at once do not share memory", async () => {
  const replies = await Promise.all([1, 2, 3].map((id) => once(start("churn", id), "message")));
  expect(replies).toEqual([[0], [0], [0]]);
});

test("a tensor of another thread is refused", async () => {
  const mine = ones([2]);
  const [message] = await once(start("refuse", mine.handle), "message");
  expect(message).toBe("the tensor was freed, or is not a tensor of this thread");
  // The worker's first tensor has the same place in its table as this thread's.
  expect(mine.alive).toBe(true);
});

test("the end of a worker frees its tensors", async () => {
  const before = tensorMemory().used;
  const worker = start("hold");
  await once(worker, "message");
  expect(tensorMemory().used - before).toBeGreaterThanOrEqual(4 * 1024 * 1024);
  const exit = once(worker, "exit");
  worker.postMessage("end");
  await exit;
  expect(tensorMemory().used).toBe(before);
});

test("a worker that is terminated in the middle of its work frees its tensors and harms nobody", async () => {
  const before = tensorMemory().used;
  for (let i = 0; i < 3; i++) {
    const worker = start("forever");
    await once(worker, "message");
    await new Promise((resolve) => setTimeout(resolve, 30 * (i + 1)));
    await worker.terminate();
  }
  expect(tensorMemory().used).toBe(before);
  expect(ones([3]).add(1).toArray()).toEqual([2, 2, 2]);
});
