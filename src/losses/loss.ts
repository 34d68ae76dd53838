// What a step needs of a contrastive loss: two phases, between which ranks exchange scalars.
import type { Tensor } from "../tensor/index.ts";
import type { Features } from "./features.ts";
import type { Known } from "./known.ts";
import type { Pair } from "./pair.ts";

export interface LossInput {
  readonly features: Features;
  /** Positions of this rank's pairs in the data set, int64 [b]. */
  readonly ids: Tensor;
  /** The global temperature. */
  readonly tau: number;
  /** What is added to every logit; only SigLIP's loss has one. */
  readonly bias: number;
  /** The inner learning rate of this epoch. */
  readonly gamma: number;
  /** Counts from 0. */
  readonly epoch: number;
}

/** The first phase's result for this rank's pairs. Nothing is stored yet, so that a step can be given up. */
export interface InnerResult {
  /** One scalar per pair and side, [b] (v2: four, [b, 4]; SigLIP: none, [0]): all that others need to know of this rank's anchors. */
  readonly scalars: Pair<Tensor>;
  /** InfoNCE of the batch at the present temperature, the mean over this rank's pairs and both sides, []. */
  readonly infoNce: Tensor;
}

export interface LossResult {
  /** The value that is reported, [] (averaged over ranks it is the loss of the global batch). */
  readonly loss: Tensor;
  /** Its gradient with respect to this rank's features, [b, d]; averaging over ranks is left to the gradient reduction. */
  readonly features: Pair<Tensor>;
  /**
   * Where only this rank's own anchors were known: the gradient of their terms with respect to everybody's features as their partners,
   * [B, d]. Its sum over ranks is what `features` lacks.
   */
  readonly partners?: Pair<Tensor>;
  /** Its gradient with respect to ln(1/tau), []. */
  readonly logScale: Tensor;
  /** Its gradient with respect to the bias, [], where there is one. */
  readonly bias?: Tensor;
}

/** Pairs whose terms were formed in this step, and their scalars. */
export interface Seen {
  /** Positions in the data set, int64 [n]. */
  readonly ids: Tensor;
  /** As `InnerResult` has them, [n, ...]. */
  readonly scalars: Pair<Tensor>;
  /** Counts from 0. */
  readonly epoch: number;
}

export interface ContrastiveLoss {
  /** Whether it keeps something of pairs from step to step. */
  readonly keepsPairs: boolean;
  /** Evaluates the inner function on this rank's pairs. */
  inner(input: LossInput): InnerResult;
  /** The gradients, given the scalars of the anchors. */
  gradients(input: LossInput, scalars: Known<Tensor>): LossResult;
  /** Stores what the loss keeps of pairs. */
  store(seen: Seen): void;
}
