// Gradients averaged over all processes while backward runs, by PyTorch's own engine (c10d::Reducer).
import { pastSpan } from "../telemetry/spans.ts";
import { backward, type c10d, gradOf, type NamedTensors, scope, setGrad, type Tensor } from "../tensor/index.ts";
import { exchanged, type ProcessGroup } from "./process-group.ts";

export interface ReductionOptions {
  /** What travels together; PyTorch's DistributedDataParallel takes 25 MiB. */
  readonly bucketBytes?: number;
  /** The first bucket is smaller, so that sending begins early. */
  readonly firstBucketBytes?: number;
  /** What the traffic is counted under. */
  readonly name?: string;
}

const mebibyte = 1024 * 1024;

/**
 * Averages the gradients of `parameters`, the same in the same order on every process (best that in which backward comes to them:
 * in it they travel), each of which collects one gradient in every
 * reduced backward. What backward leaves in `.grad` while not `during` stays local and is reduced with the next one that is.
 */
export class GradientReduction {
  readonly #group: ProcessGroup;
  readonly #parameters: NamedTensors;
  readonly #name: string;
  readonly #reducer: c10d.Reducer | undefined;

  constructor(group: ProcessGroup, parameters: NamedTensors, options: ReductionOptions = {}) {
    const { bucketBytes = 25 * mebibyte, firstBucketBytes = mebibyte, name = "gradients" } = options;
    this.#group = group;
    this.#parameters = parameters;
    this.#name = name;
    const { connection } = group;
    const tensors = [...parameters.values()];
    this.#reducer = connection?.run(name, () => {
      const reducer = connection.own(connection.group.reducer(tensors, { firstBucketBytes, bucketBytes }));
      rehearse(reducer, tensors);
      return reducer;
    });
  }

  /** Runs `pushBack`, the last backward of a step; when it returns, `.grad` holds the mean over all processes. */
  during(pushBack: () => void): void {
    const { connection } = this.#group;
    const reducer = this.#reducer;
    if (!connection || !reducer) {
      pushBack();
      return;
    }
    const sent = connection.run(this.#name, () => {
      reducer.prepare();
      pushBack();
      this.#mustBeWhole();
      return reducer.finish();
    });
    // The rest of it went on beside backward.
    pastSpan(exchanged(this.#name), sent.exposedMilliseconds);
    this.#group.count(this.#name, { calls: sent.buckets, ...sent });
  }

  close(): void {
    if (!this.#reducer) return;
    this.#group.connection?.disown(this.#reducer);
    this.#reducer.close();
  }

  /** A bucket that lacks a gradient is never sent, and every process would go on with its own. */
  #mustBeWhole(): void {
    const missing = scope(() =>
      [...this.#parameters].filter(([, tensor]) => gradOf(tensor) === null).map(([name]) => name),
    );
    if (missing.length > 0)
      throw new TypeError(`no gradient came to ${missing.slice(0, 3).join(", ")}, so none were averaged`);
  }
}

/**
 * After its first backward the reducer cuts its buckets anew, in the order in which gradients came. A rehearsal with zeros makes that the
 * given order, so that sums are formed in one order in every step of every run, also of one that goes on from a checkpoint.
 */
function rehearse(reducer: c10d.Reducer, parameters: readonly Tensor[]): void {
  scope(() => {
    reducer.prepare();
    for (const parameter of parameters) backward([parameter], { gradients: [parameter.zerosLike().detach()] });
    reducer.finish();
    for (const parameter of parameters) setGrad(parameter, null);
  });
}
