// One size of bench/loss.ts on our side: prints the median seconds of a loss with its gradient, and the bytes beyond the features.
import { InnerEstimator } from "../src/losses/estimator.ts";
import { FastClipLoss } from "../src/losses/fastclip.ts";
import { singleRank } from "../src/losses/features.ts";
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

const [size, width, threads, repeats] = process.argv.slice(2).map(Number) as [number, number, number, number];
setThreads(threads);
manualSeed(0);
const unit = () =>
  scope(() => {
    const values = randn([size, width]);
    return values.div(values.norm({ dim: [1], keepdim: true }));
  });
const features = singleRank({ image: unit(), text: unit() });
const estimator = new InnerEstimator(PairState.inMemory(InnerEstimator.columns, size));
const loss = new FastClipLoss({
  objective: { kind: "robust", rho: 6.5, tauGradient: "reference" },
  eps: 1e-14,
  estimator,
});
const input = { features, ids: arange(size, { dtype: "int64" }), tau: 0.07, bias: 0, gamma: 1, epoch: 0 };

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
console.log(
  JSON.stringify({ seconds: seconds[seconds.length >> 1], peakBytes: tensorMemory().peak - before, loss: value }),
);
