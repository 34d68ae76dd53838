// A worker thread that makes tensors, runs operators and backward, and reports; see src/tensor/threads.test.ts.
import { parentPort, workerData } from "node:worker_threads";
import { native } from "../../src/native/addon.ts";
import {
  backward,
  full,
  gradOf,
  liveTensors,
  noGrad,
  ones,
  randn,
  scope,
  type Tensor,
} from "../../src/tensor/index.ts";

const { task, argument } = workerData as { task: "train" | "churn" | "hold" | "forever" | "refuse"; argument: number };

/** The gradient of sum(x w) with respect to w is the column sums of x, here 16 ones each. */
function train(steps: number): number {
  const w = noGrad(() => randn([32, 8])).requireGrad();
  for (let i = 0; i < steps; i++) scope(() => backward([ones([16, 32]).matmul(w).sum()]));
  return scope(() => gradOf(w)!.sum().item());
}

/** Makes and frees tensors of many sizes and counts those that hold another number than they were made with. */
function churn(rounds: number, id: number): number {
  const held: { value: number; tensor: Tensor }[] = [];
  let damaged = 0;
  for (let i = 0; i < rounds; i++) {
    const value = id * rounds + i;
    held.push({ value, tensor: full([1 + ((i * 7919) % 5000)], value, { dtype: "int32" }) });
    if (held.length < 50) continue;
    const [{ value: expected, tensor }] = held.splice((i * 31) % held.length, 1) as [(typeof held)[number]];
    damaged += scope(() => tensor.ne(expected).any().item());
    tensor.free();
  }
  return damaged;
}

switch (task) {
  case "churn":
    parentPort!.postMessage(churn(5000, argument));
    break;
  case "train":
    parentPort!.postMessage({ gradient: train(200), live: liveTensors() });
    break;
  case "hold":
    ones([1024, 1024]).keep();
    parentPort!.once("message", () => {}); // The thread lives until the test has looked and tells it to end.
    parentPort!.postMessage("holding");
    break;
  case "forever":
    parentPort!.postMessage("working");
    train(Number.POSITIVE_INFINITY);
    break;
  case "refuse":
    try {
      native.numel(argument);
      parentPort!.postMessage("accepted");
    } catch (error) {
      parentPort!.postMessage((error as Error).message);
    }
}
