// From the configured loss to the rules of a run: the loss, what it keeps of every pair, gamma, and the temperature's learning rate.
import { InnerEstimator } from "../losses/estimator.ts";
import { FastClipLoss, type Objective } from "../losses/fastclip.ts";
import { gammaSchedule } from "../losses/gamma.ts";
import { IndividualLoss } from "../losses/individual.ts";
import type { ContrastiveLoss } from "../losses/loss.ts";
import { OpenClipLoss } from "../losses/openclip.ts";
import type { PairState } from "../losses/pair-state.ts";
import { SigLipLoss } from "../losses/siglip.ts";
import { type LearningRateSchedule, learningRate, temperatureLearningRate } from "../optim/schedule.ts";
import type { LossConfig } from "./config/types.ts";

export interface Method {
  readonly loss: ContrastiveLoss;
  /** What the loss keeps of every pair; undefined when it keeps nothing. */
  readonly pairs: PairState | undefined;
  /** The inner learning rate by epoch; undefined for losses that have none. */
  readonly gamma: ((epoch: number) => number) | undefined;
  /** The learning rate of logit_scale, given the step and the present tau; undefined when no global tau is trained. */
  readonly temperatureRate: ((step: number, tau: number) => number) | undefined;
}

export interface MethodContext {
  readonly epochs: number;
  /** The model's learning-rate schedule. */
  readonly schedule: LearningRateSchedule;
  /** Makes the table of what is kept of every pair, with these columns. */
  readonly createPairs: (columns: readonly string[]) => PairState;
}

type FastClipConfig = Exclude<LossConfig, { kind: "openclip" | "siglip" }>;

export function createMethod(config: LossConfig, context: MethodContext): Method {
  const temperatureRate = createTemperatureRate(config, context.schedule);
  const simple = { pairs: undefined, gamma: undefined, temperatureRate };
  if (config.kind === "openclip") return { loss: new OpenClipLoss(), ...simple };
  if (config.kind === "siglip") return { loss: new SigLipLoss(), ...simple };
  const gamma = gammaSchedule(config.gamma, context.epochs);
  return { ...createFastClip(config, context), gamma, temperatureRate };
}

function createFastClip(config: FastClipConfig, { createPairs }: MethodContext): Pick<Method, "loss" | "pairs"> {
  if (config.kind === "fastclip-v2") {
    const pairs = createPairs(IndividualLoss.columns);
    return { loss: new IndividualLoss(pairs, config), pairs };
  }
  const pairs = createPairs(InnerEstimator.columns);
  const estimator = new InnerEstimator(pairs);
  return { loss: new FastClipLoss({ objective: objectiveOf(config), eps: config.eps, estimator }), pairs };
}

function objectiveOf(config: Exclude<FastClipConfig, { kind: "fastclip-v2" }>): Objective {
  switch (config.kind) {
    case "fastclip-v0":
      return { kind: "global", tauGradient: config.tauGradient };
    case "fastclip-v1": // tau is not trained, so its gradient is not looked at
      return { kind: "global", tauGradient: "exact" };
    case "fastclip-v3":
      return { kind: "robust", rho: config.rho, tauGradient: config.tauGradient };
  }
}

/** v3: its own rate, cut to a third at `decayAt`. v0, OpenCLIP and SigLIP: the model's schedule, from their own rate. v1, v2: none. */
function createTemperatureRate(config: LossConfig, schedule: LearningRateSchedule): Method["temperatureRate"] {
  if (config.kind === "fastclip-v1" || config.kind === "fastclip-v2") return undefined;
  const lr = config.temperature.lr === "auto" ? schedule.lr : config.temperature.lr;
  if (config.kind === "fastclip-v3") {
    const rate = temperatureLearningRate({ lr, decayAt: config.temperature.decayAt });
    return (_step, tau) => rate(tau);
  }
  return learningRate({ ...schedule, lr });
}
