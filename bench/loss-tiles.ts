// One size of bench/loss.ts on our side: prints the median seconds of a loss with its gradient, and the bytes beyond the features.
import { InnerEstimator } from "../src/losses/estimator.ts";
import { FastClipLoss } from "../src/losses/fastclip.ts";
import { singleRank } from "../src/losses/features.ts";
import type { ContrastiveLoss } from "../src/losses/loss.ts";
import { OpenClipLoss } from "../src/losses/openclip.ts";
import { PairState } from "../src/losses/pair-state.ts";
import {
  arange,
  emptyCache,
  manualSeed,
  randn,
  resetPeakMemory,
  scope,
  setThreads,
  tensorMemory,
} from "../src/tensor/index.ts";

export interface LossCase {
  readonly loss: "fastclip-v3" | "openclip";
  /** Pairs. */
  readonly size: number;
  readonly width: number;
  readonly tau: number;
  readonly twins: boolean;
  readonly threads: number;
  readonly repeats: number;
}

export interface LossFigures {
  readonly seconds: number;
  /** Beyond the features. */
  readonly peakBytes: number;
  readonly loss: number;
}

const { loss: kind, size, width, tau, twins, threads, repeats } = JSON.parse(process.argv[2]!) as LossCase;
setThreads(threads);
manualSeed(0);
const things = randn([size / 2, 1, width])
  .expand([size / 2, 2, width])
  .reshape([size, width]);
const unit = () =>
  scope(() => {
    const noise = randn([size, width]);
    const values = twins ? things.add(noise.mul(0.05)) : noise;
    return values.div(values.norm({ dim: [1], keepdim: true }));
  });
const features = singleRank({ image: unit(), text: unit() });
const estimator = new InnerEstimator(PairState.inMemory(InnerEstimator.columns, size));
const losses: Readonly<Record<LossCase["loss"], () => ContrastiveLoss>> = {
  "fastclip-v3": () =>
    new FastClipLoss({ objective: { kind: "robust", rho: 6.5, tauGradient: "reference" }, eps: 1e-14, estimator }),
  openclip: () => new OpenClipLoss(),
};
const loss = losses[kind]();
const input = { features, ids: arange(size, { dtype: "int64" }), tau, bias: 0, gamma: 1, epoch: 0 };

emptyCache();
resetPeakMemory();
const before = tensorMemory().used;
const seconds: number[] = [];
let value = 0;
for (let i = 0; i < repeats; i++) {
  const start = performance.now();
  scope(() => {
    const inner = loss.inner(input);
    value = loss.gradients(input, { of: "all", values: inner.scalars }).loss.item();
  });
  seconds.push((performance.now() - start) / 1000);
}
seconds.sort((a, b) => a - b);
const peakBytes = tensorMemory().peak - before;
const figures: LossFigures = { seconds: seconds[seconds.length >> 1]!, peakBytes, loss: value };
console.log(JSON.stringify(figures));
