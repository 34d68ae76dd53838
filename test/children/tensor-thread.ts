// A worker thread that makes tensors, runs operators and backward, and reports; see src/tensor/threads.test.ts.
import { parentPort, workerData } from "node:worker_threads";
import { native } from "../../src/native/addon.ts";
import { backward, gradOf, liveTensors, noGrad, ones, randn, scope } from "../../src/tensor/index.ts";

const { task, foreign } = workerData as { task: "train" | "hold" | "forever" | "refuse"; foreign: number };

/** The gradient of sum(x w) with respect to w is the column sums of x, here 16 ones each. */
function train(steps: number): number {
  const w = noGrad(() => randn([32, 8])).requireGrad();
  for (let i = 0; i < steps; i++) scope(() => backward([ones([16, 32]).matmul(w).sum()]));
  return scope(() => gradOf(w)!.sum().item());
}

switch (task) {
  case "train":
    parentPort!.postMessage({ gradient: train(200), live: liveTensors() });
    break;
  case "hold":
    ones([1024, 1024]).keep();
    parentPort!.postMessage("holding");
    break;
  case "forever":
    parentPort!.postMessage("working");
    train(Number.POSITIVE_INFINITY);
    break;
  case "refuse":
    try {
      native.numel(foreign);
      parentPort!.postMessage("accepted");
    } catch (error) {
      parentPort!.postMessage((error as Error).message);
    }
}
