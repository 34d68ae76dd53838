// The part of a training step between the towers: from a rank's features to their gradients, over real processes.
import type { ProcessGroup } from "../../src/distributed/process-group.ts";
import { InnerEstimator } from "../../src/losses/estimator.ts";
import { FastClipLoss } from "../../src/losses/fastclip.ts";
import type { ContrastiveLoss } from "../../src/losses/loss.ts";
import { OpenClipLoss } from "../../src/losses/openclip.ts";
import { type Pair, pair } from "../../src/losses/pair.ts";
import { PairState } from "../../src/losses/pair-state.ts";
import { arange, manualSeed, randn, scope, type Tensor } from "../../src/tensor/index.ts";
import { Exchange, type ExchangeOptions } from "../../src/train/exchange.ts";

// The peer has the same ones (peer.py).
const tau = 0.07;
const [rho, eps] = [6.5, 1e-14];

export class OurStep {
  readonly #exchange: Exchange;
  readonly #features: Pair<Tensor>;
  readonly #ids: Tensor;
  readonly #losses: Readonly<Record<"fastclip" | "openclip", ContrastiveLoss>>;

  constructor(
    group: ProcessGroup,
    { batch, width, reduction }: { batch: number; width: number; reduction: ExchangeOptions["reduction"] },
  ) {
    this.#exchange = new Exchange(group, { reduction, featurePrecision: "fp32" });
    manualSeed(group.rank); // the same numbers as torch.manual_seed gives the peer
    this.#features = pair(() =>
      scope(() => {
        const values = randn([batch, width]);
        return values.div(values.norm({ dim: [1], keepdim: true }));
      }),
    );
    this.#ids = scope(() => arange(batch, { dtype: "int64" }).add(group.rank * batch));
    const estimator = new InnerEstimator(PairState.inMemory(InnerEstimator.columns, group.size * batch));
    const objective = { kind: "robust", rho, tauGradient: "reference" } as const;
    this.#losses = { fastclip: new FastClipLoss({ objective, eps, estimator }), openclip: new OpenClipLoss() };
  }

  /** One step with the loss of that name, as src/train/step.ts takes it; the gradients of this rank's features. */
  run(name: "fastclip" | "openclip"): Pair<Tensor> {
    const loss = this.#losses[name];
    const gather = this.#exchange.gather(this.#ids, false);
    gather.send("image", this.#features.image);
    gather.send("text", this.#features.text);
    const { features, ids } = gather.receive();
    const input = { features, ids: this.#ids, tau, bias: 0, gamma: 1, epoch: 0 };
    const inner = loss.inner(input);
    const result = this.#exchange.reduce(loss, { input, inner, ids });
    if (result.seen !== undefined) loss.store(result.seen);
    return result.features;
  }
}
