// Replays golden cases of losses.
import { InnerEstimator } from "../../losses/estimator.ts";
import { FastClipLoss, type Objective } from "../../losses/fastclip.ts";
import { type GammaSchedule, gammaSchedule } from "../../losses/gamma.ts";
import { IndividualLoss } from "../../losses/individual.ts";
import type { ContrastiveLoss, LossInput, LossResult } from "../../losses/loss.ts";
import { OpenClipLoss } from "../../losses/openclip.ts";
import { mapPair, type Pair, pair, sides } from "../../losses/pair.ts";
import { PairState } from "../../losses/pair-state.ts";
import { SigLipLoss } from "../../losses/siglip.ts";
import { type NamedTensors, type Tensor, tensor } from "../../tensor/index.ts";
import { tensorOf } from "./case.ts";
import type { Comparison, Tolerance } from "./compare.ts";
import { allRanks, type Played, type Ranks } from "./ranks.ts";

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
  readonly logitBias?: number;
  readonly tauInit?: number;
  readonly lrTau?: number;
  readonly beta1Tau?: number;
  readonly beta2Tau?: number;
  readonly epsTau?: number;
}

const ofState = { rtol: 1e-4, atol: 1e-6 } as const satisfies Tolerance;
const ofGradient: Tolerance = { relativeToLargest: 1e-3, atol: 1e-6 };
const exactly: Tolerance = { rtol: 0, atol: 1e-9 };

/** What a replay by a process of its own for each rank needs; without it one process plays them all. */
export interface LossPlace {
  readonly ranks: Ranks;
  readonly createPairs: (columns: readonly string[]) => PairState;
}

export function replayLoss(settings: LossSettings, tensors: NamedTensors, place?: LossPlace): Comparison[] {
  const { ranks, createPairs } = place ?? inOneProcess(settings);
  const pairs = createPairs(IndividualLoss.columns);
  const loss = createLoss(settings, pairs);
  const results = Array.from({ length: settings.steps }, (_, step) =>
    replayStep({ settings, tensors, loss, pairs, ranks, step }),
  );
  pairs.close();
  return results.flat();
}

/** Partners that are constants, as where OpenCLIP gathers features without gradient, get no part from other ranks. */
function inOneProcess({ localLoss = true, gatherWithGrad = true, worldSize, dataSize }: LossSettings): LossPlace {
  return {
    ranks: allRanks(worldSize, { isWhole: worldSize === 1 || !localLoss || gatherWithGrad }),
    createPairs: (columns) => PairState.inMemory(columns, dataSize),
  };
}

function createLoss(settings: LossSettings, pairs: PairState): ContrastiveLoss {
  const { variant, rho, eps } = settings;
  switch (variant) {
    case "openclip":
      return new OpenClipLoss();
    case "siglip":
      return new SigLipLoss();
    case "v2": {
      const { tauInit: init, lrTau: lr, beta1Tau: beta1, beta2Tau: beta2, epsTau } = settings;
      return new IndividualLoss(pairs, {
        rho,
        eps,
        temperature: { init: init!, lr: lr!, beta1: beta1!, beta2: beta2!, eps: epsTau! },
      });
    }
    default: {
      const tauGradient = "reference";
      const objective: Objective =
        variant === "v3" ? { kind: "robust", rho, tauGradient } : { kind: "global", tauGradient };
      return new FastClipLoss({ objective, eps, estimator: new InnerEstimator(pairs) });
    }
  }
}

export function goldenGamma({ gamma, gammaSchedule: kind, gammaDecayEpochs }: LossSettings): GammaSchedule {
  return kind === "constant" ? { kind, gamma } : { kind, gammaMin: gamma, decayEpochs: gammaDecayEpochs };
}

interface StepTask {
  readonly settings: LossSettings;
  readonly tensors: NamedTensors;
  readonly loss: ContrastiveLoss;
  readonly pairs: PairState;
  readonly ranks: Ranks;
  readonly step: number;
}

function replayStep({ settings, tensors, loss, pairs, ranks, step }: StepTask): Comparison[] {
  const get = (name: string): Tensor => tensorOf(tensors, `step${step}.${name}`);
  const at = (rank: number): LossInput => inputOf(settings, { get, step, rank });
  const played = asOpenClip(settings, ranks, ranks.play(loss, at));
  const values = ranks.agreeInMean
    ? compareMeans({ settings, ranks, played, get })
    : played.flatMap(({ rank, result }) =>
        compareValues(settings, { result, get: (name) => get(`rank${rank}.${name}`) }),
      );
  const gradients = played.flatMap(({ rank, result }) =>
    sides.map((side) => {
      const name = `rank${rank}.grad_${side}_features`;
      return { name, actual: result.features[side], expected: get(name), tolerance: ofGradient };
    }),
  );
  const compared = [...values, ...gradients].map((one) => ({ ...one, name: `step${step}.${one.name}` }));
  if (!hasState(settings)) return compared;
  const gamma: Comparison = {
    name: `step${step}.gamma`,
    actual: tensor(at(0).gamma, { dtype: "float64" }),
    expected: get("gamma"),
    tolerance: exactly,
  };
  return [...compared, ...ranks.look(() => compareState(pairs, { settings, get, step })), gamma];
}

type ByName = (name: string) => Tensor;

/** The loss, and its derivative by ln(1/tau) where one temperature is trained. */
function compareValues({ variant }: LossSettings, { result, get }: { result: LossResult; get: ByName }): Comparison[] {
  const loss = { name: "loss", actual: result.loss, expected: get("loss"), tolerance: ofState };
  if (variant === "v2") return [loss];
  const name = "grad_log_logit_scale";
  return [loss, { name, actual: result.logScale, expected: get(name), tolerance: ofGradient }];
}

function compareMeans(task: { settings: LossSettings; ranks: Ranks; played: Played[]; get: ByName }): Comparison[] {
  const { settings, ranks, played, get } = task;
  const mean = (value: (result: LossResult) => Tensor): Tensor => ranks.mean(played.map(({ result }) => value(result)));
  const ofAll = (name: string): Tensor => {
    const each = Array.from({ length: settings.worldSize }, (_, rank) => get(`rank${rank}.${name}`));
    return each.reduce((sum, value) => sum.add(value)).div(each.length);
  };
  const means = { loss: mean(({ loss }) => loss), logScale: mean(({ logScale }) => logScale) };
  return compareValues(settings, { result: { ...played[0]!.result, ...means }, get: ofAll });
}

/**
 * OpenCLIP without its local loss lets every rank compute the loss of the global batch: the mean over ranks of the local ones. Where the
 * features were gathered without gradient, a rank's own then get its gradient once, and not once from every rank.
 */
function asOpenClip(
  { localLoss = true, gatherWithGrad, worldSize }: LossSettings,
  ranks: Ranks,
  played: Played[],
): Played[] {
  if (localLoss) return played;
  const [loss, logScale] = [
    ranks.mean(played.map(({ result }) => result.loss)),
    ranks.mean(played.map(({ result }) => result.logScale)),
  ];
  const share = gatherWithGrad ? 1 : 1 / worldSize;
  return played.map(({ rank, result }) => ({
    rank,
    result: { loss, logScale, features: mapPair(result.features, (gradient) => gradient.mul(share)) },
  }));
}

function inputOf(
  settings: LossSettings,
  { get, step, rank }: { get: (name: string) => Tensor; step: number; rank: number },
): LossInput {
  const all: Pair<Tensor> = { image: get("image_features"), text: get("text_features") };
  const offset = rank * settings.localBatch;
  const rows = (values: Tensor): Tensor => values.narrow(0, offset, settings.localBatch);
  const epoch = hasState(settings) ? Math.floor(step / settings.stepsPerEpoch!) : 0;
  const gamma = hasState(settings) ? goldenGammaAt(settings, epoch) : 1;
  return {
    features: { local: pair((side) => rows(all[side])), all, offset },
    ids: rows(get("index")),
    tau: Math.exp(-settings.logLogitScale[step]!),
    bias: settings.logitBias ?? 0,
    gamma,
    epoch,
  };
}

/** FastCLIP's losses keep something of every pair and have a gamma. */
function hasState({ variant }: LossSettings): boolean {
  return variant !== "openclip" && variant !== "siglip";
}

function goldenGammaAt(settings: LossSettings, epoch: number): number {
  const epochs = Math.ceil(settings.steps / settings.stepsPerEpoch!);
  return gammaSchedule(goldenGamma(settings), epochs)(epoch);
}

const stateNames = { image: "im", text: "tt" } as const;

function compareState(
  pairs: PairState,
  { settings, get, step }: { settings: LossSettings; get: (name: string) => Tensor; step: number },
): Comparison[] {
  return sides.flatMap((side) => {
    const compared = (name: string, actual: Tensor, tolerance: Tolerance = ofState): Comparison => {
      const full = `${name}_${stateNames[side]}`;
      return { name: `step${step}.${full}`, actual: actual.clone(), expected: get(`state.${full}`), tolerance };
    };
    const column = (name: string): Tensor => pairs.column(`${name}.${side}`);
    const logU = column("log_u");
    if (settings.variant !== "v2") return [compared("u", linear(logU))];
    // The reference keeps u over exp(bound).
    return [
      compared("u", logU.sub(column("bound")).exp().mul(logU.ne(0))),
      compared("tau", column("tau").maskedFill(column("tau").eq(0), settings.tauInit!)),
      compared("bound", column("bound"), ofBound(settings)),
      compared("m_grad_tau", column("first")),
      compared("v_grad_tau", column("second")),
    ];
  });
}

/**
 * The largest difference of an anchor to any pair, itself included, is at least 0. The reference takes s_ii by two roads, a product of
 * matrices and a sum, which may differ by a float32 rounding of a number up to 1; over tau that can stand in its bound for 0.
 */
function ofBound({ tauInit }: LossSettings): Tolerance {
  return { rtol: ofState.rtol, atol: 1e-6 + 2 ** -23 / tauInit! };
}

/** u itself, 0 for pairs never seen. */
function linear(logU: Tensor): Tensor {
  return logU.exp().mul(logU.ne(0));
}
