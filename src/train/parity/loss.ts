// Replays golden cases of losses. Several ranks are played by one process: what they would gather is put together here.
import { InnerEstimator } from "../../losses/estimator.ts";
import { FastClipLoss, type Objective } from "../../losses/fastclip.ts";
import { type GammaSchedule, gammaSchedule } from "../../losses/gamma.ts";
import type { ContrastiveLoss, LossInput } from "../../losses/loss.ts";
import { OpenClipLoss } from "../../losses/openclip.ts";
import { type Pair, pair } from "../../losses/pair.ts";
import { cat, type NamedTensors, type Tensor, tensor } from "../../tensor/index.ts";
import { tensorOf } from "./case.ts";
import type { Comparison, Tolerance } from "./compare.ts";

export interface LossSettings {
  readonly variant: "v0" | "v1" | "v2" | "v3" | "openclip" | "siglip";
  readonly worldSize: number;
  readonly localBatch: number;
  readonly dataSize: number;
  readonly steps: number;
  readonly stepsPerEpoch?: number;
  readonly logLogitScale: readonly number[];
  readonly eps: number;
  readonly rho: number;
  readonly gamma: number;
  readonly gammaSchedule: "constant" | "cosine";
  readonly gammaDecayEpochs: number;
  readonly localLoss?: boolean;
  readonly gatherWithGrad?: boolean;
}

const ofState: Tolerance = { rtol: 1e-4, atol: 1e-6 };
const ofGradient: Tolerance = { relativeToLargest: 1e-3, atol: 1e-6 };
const exactly: Tolerance = { rtol: 0, atol: 1e-9 };

/** Why a case cannot be replayed yet; undefined when it can. */
export function unsupportedLoss({ variant, worldSize, localLoss, gatherWithGrad }: LossSettings): string | undefined {
  if (variant === "v2" || variant === "siglip") return `loss ${variant}`;
  if (variant === "openclip" && worldSize > 1 && !(localLoss && gatherWithGrad))
    return "OpenCLIP's loss on several ranks other than the local loss with gathered gradients";
  return undefined;
}

export function replayLoss(settings: LossSettings, tensors: NamedTensors): Comparison[] {
  const estimator = new InnerEstimator(settings.dataSize);
  const loss = createLoss(settings, estimator);
  const results = Array.from({ length: settings.steps }, (_, step) =>
    replayStep({ settings, tensors, loss, estimator, step }),
  );
  return results.flat();
}

function createLoss({ variant, rho, eps }: LossSettings, estimator: InnerEstimator): ContrastiveLoss {
  if (variant === "openclip") return new OpenClipLoss();
  const objective: Objective =
    variant === "v3" ? { kind: "robust", rho, tauGradient: "reference" } : { kind: "global", tauGradient: "reference" };
  return new FastClipLoss({ objective, eps, estimator });
}

export function goldenGamma({ gamma, gammaSchedule: kind, gammaDecayEpochs }: LossSettings): GammaSchedule {
  return kind === "constant" ? { kind, gamma } : { kind, gammaMin: gamma, decayEpochs: gammaDecayEpochs };
}

interface StepTask {
  readonly settings: LossSettings;
  readonly tensors: NamedTensors;
  readonly loss: ContrastiveLoss;
  readonly estimator: InnerEstimator;
  readonly step: number;
}

function replayStep({ settings, tensors, loss, estimator, step }: StepTask): Comparison[] {
  const get = (name: string): Tensor => tensorOf(tensors, `step${step}.${name}`);
  const ranks = Array.from({ length: settings.worldSize }, (_, rank) => inputOf(settings, { get, step, rank }));
  const inner = ranks.map((input) => loss.inner(input).scalars);
  const scalars = pair((side) => cat(inner.map((rank) => rank[side])));
  const gradients = ranks.flatMap((input, rank) => {
    const result = loss.gradients(input, scalars);
    const compared = (what: string, actual: Tensor, tolerance: Tolerance): Comparison => {
      const name = `rank${rank}.${what}`;
      return { name: `step${step}.${name}`, actual, expected: get(name), tolerance };
    };
    return [
      compared("loss", result.loss, ofState),
      compared("grad_image_features", result.features.image, ofGradient),
      compared("grad_text_features", result.features.text, ofGradient),
      compared("grad_log_logit_scale", result.logScale, ofGradient),
    ];
  });
  if (settings.variant === "openclip") return gradients;
  const gamma: Comparison = {
    name: `step${step}.gamma`,
    actual: tensor(ranks[0]!.gamma, { dtype: "float64" }),
    expected: get("gamma"),
    tolerance: exactly,
  };
  return [...gradients, ...compareState(estimator, { get, step }), gamma];
}

function inputOf(
  settings: LossSettings,
  { get, step, rank }: { get: (name: string) => Tensor; step: number; rank: number },
): LossInput {
  const all: Pair<Tensor> = { image: get("image_features"), text: get("text_features") };
  const offset = rank * settings.localBatch;
  const rows = (values: Tensor): Tensor => values.narrow(0, offset, settings.localBatch);
  const gamma = settings.variant === "openclip" ? 1 : goldenGammaAt(settings, step);
  return {
    features: { local: pair((side) => rows(all[side])), all, offset },
    ids: rows(get("index")),
    tau: Math.exp(-settings.logLogitScale[step]!),
    gamma,
  };
}

function goldenGammaAt(settings: LossSettings, step: number): number {
  const epochs = Math.ceil(settings.steps / settings.stepsPerEpoch!);
  return gammaSchedule(goldenGamma(settings), epochs)(Math.floor(step / settings.stepsPerEpoch!));
}

function compareState(
  estimator: InnerEstimator,
  { get, step }: { get: (name: string) => Tensor; step: number },
): Comparison[] {
  const { logU } = estimator;
  return [
    { name: `step${step}.u_im`, actual: linear(logU.image), expected: get("state.u_im"), tolerance: ofState },
    { name: `step${step}.u_tt`, actual: linear(logU.text), expected: get("state.u_tt"), tolerance: ofState },
  ];
}

/** u itself, 0 for pairs never seen. */
export function linear(logU: Tensor): Tensor {
  return logU.exp().mul(logU.ne(0));
}
