// What ranks tell each other in a step beside the parameters' gradients: features, and either scalars or feature gradients.
import type { Pending, ProcessGroup } from "../distributed/process-group.ts";
import type { Features } from "../losses/features.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult, Seen } from "../losses/loss.ts";
import { mapPair, type Pair, type Side } from "../losses/pair.ts";
import { cat, dtypes, type Tensor, where } from "../tensor/index.ts";

export interface ExchangeOptions {
  /**
   * How the gradient of a rank's features gets the part of other ranks' anchors: from their scalars (FastCLIP, 2 B numbers gathered), or
   * from their ranks, which form it and add it up (OpenCLIP, 2 B d numbers reduced).
   */
  readonly reduction: "scalars" | "features";
  /** In what features travel; the loss is float32 either way. */
  readonly featurePrecision: "fp32" | "bf16";
}

/** The features and positions of the global batch. */
export interface Gathered {
  readonly features: Features;
  /** int64 [B] */
  readonly ids: Tensor;
  /** Whether any rank wants to stop after this step. */
  readonly stop: boolean;
}

/** The gradients of this rank's features, and what is to be stored of pairs on this rank. */
export interface Reduced extends LossResult {
  /** Undefined where another rank of this machine stores it. */
  readonly seen: Seen | undefined;
}

export class Exchange {
  readonly #group: ProcessGroup;
  readonly #options: ExchangeOptions;

  constructor(group: ProcessGroup, options: ExchangeOptions) {
    this.#group = group;
    this.#options = options;
  }

  /** Begins to gather a batch: `ids` of this rank, and whether it wants to stop. */
  gather(ids: Tensor, stop: boolean): FeatureGather {
    return new FeatureGather(this.#group, { ids, stop, precision: this.#options.featurePrecision });
  }

  /** The gradients of this rank's features with the part of all ranks' anchors. `ids` are those of all ranks. */
  reduce(loss: ContrastiveLoss, { input, inner, ids }: { input: LossInput; inner: InnerResult; ids: Tensor }): Reduced {
    const { severalMachines, isFirstOfMachine } = this.#group;
    const { epoch } = input;
    const byFeatures = this.#options.reduction === "features";
    if (byFeatures && !(severalMachines && loss.keepsPairs))
      return { ...this.#addUp(loss, input, inner), seen: { ids: input.ids, scalars: inner.scalars, epoch } };
    // One rank of each machine stores all pairs of the batch, so that every machine's table is whole.
    const scalars = this.#gatherScalars(inner.scalars);
    const result = byFeatures ? this.#addUp(loss, input, inner) : loss.gradients(input, { of: "all", values: scalars });
    return { ...result, seen: isFirstOfMachine ? { ids, scalars, epoch } : undefined };
  }

  /** Both sides in one message. */
  #gatherScalars(scalars: Pair<Tensor>): Pair<Tensor> {
    const { image, text } = scalars;
    if (image.numel === 0) return scalars;
    const rows = (values: Tensor): Tensor => values.reshape([values.size(0), -1]);
    const all = this.#group.allGather(cat([rows(image), rows(text)], { dim: 1 }), "scalars");
    const [allImage, allText] = all.chunk(2, { dim: 1 }) as [Tensor, Tensor];
    const [, ...rest] = image.shape;
    return mapPair({ image: allImage, text: allText }, (values) => values.reshape([-1, ...rest]));
  }

  /** OpenCLIP's way: each rank's anchors bring gradients for everybody's features, both sides in one message. */
  #addUp(loss: ContrastiveLoss, input: LossInput, inner: InnerResult): LossResult {
    const { partners, ...own } = loss.gradients(input, { of: "own", values: inner.scalars });
    if (partners === undefined) return own;
    const both = cat([partners.image, partners.text], { dim: 1 });
    const [image, text] = this.#group.reduceScatterSum(both, "featureGradients").chunk(2, { dim: 1 }) as [
      Tensor,
      Tensor,
    ];
    return { ...own, features: { image: own.features.image.add(image), text: own.features.text.add(text) } };
  }
}

/** One gather for each tower, begun when its features are there, so that one tower's travel while the other computes. */
export class FeatureGather {
  readonly #group: ProcessGroup;
  readonly #ids: Tensor;
  readonly #dtype: "float32" | "bfloat16";
  readonly #pending = new Map<Side, Pending<Tensor>>();

  constructor(
    group: ProcessGroup,
    options: { ids: Tensor; stop: boolean; precision: ExchangeOptions["featurePrecision"] },
  ) {
    const { ids, stop, precision } = options;
    this.#group = group;
    // The ids ride along with the pictures' features, and a wish to stop with them: as -1 - id.
    this.#ids = stop ? ids.neg().sub(1) : ids;
    this.#dtype = precision === "bf16" ? "bfloat16" : "float32";
  }

  /** Begins to send this rank's features of one side, [b, d]. */
  send(side: Side, features: Tensor): void {
    const wire = features.detach().to(this.#dtype);
    const message = side === "image" ? cat([wire, this.#ids.unsqueeze(1).viewAs(this.#dtype)], { dim: 1 }) : wire;
    this.#pending.set(side, this.#group.startAllGather(message, "features"));
  }

  /** Waits for both sides of all ranks. */
  receive(): Gathered {
    const [image, text] = [this.#pending.get("image")!.wait(), this.#pending.get("text")!.wait()];
    const width = text.size(1);
    const idWidth = 8 / dtypes[this.#dtype].bytes;
    const ids = image.narrow(1, width, idWidth).contiguous().viewAs("int64").squeeze(1);
    const all = mapPair({ image: image.narrow(1, 0, width), text }, (values) => values.to("float32").contiguous());
    const rows = this.#ids.size(0);
    const offset = this.#group.rank * rows;
    const stops = ids.lt(0);
    return {
      features: { local: mapPair(all, (values) => values.narrow(0, offset, rows)), all, offset },
      ids: where(stops, ids.neg().sub(1), ids),
      stop: stops.any().item() !== 0,
    };
  }
}
