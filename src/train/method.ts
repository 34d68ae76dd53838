// From the configured loss to the rules of a run: the loss, its estimators, gamma, and the temperature's learning rate.
import { InnerEstimator } from "../losses/estimator.ts";
import { FastClipLoss, type Objective } from "../losses/fastclip.ts";
import { type GammaSchedule, gammaSchedule } from "../losses/gamma.ts";
import type { ContrastiveLoss } from "../losses/loss.ts";
import { OpenClipLoss } from "../losses/openclip.ts";
import { type LearningRateSchedule, learningRate, temperatureLearningRate } from "../optim/schedule.ts";
import type { LossConfig } from "./config/types.ts";

/** The learning rate of logit_scale, given the step and the present tau; undefined when tau is a constant. */
type TemperatureRate = ((step: number, tau: number) => number) | undefined;

export interface Method {
  readonly loss: ContrastiveLoss;
  /** What the loss keeps of every pair; undefined for OpenCLIP's, which keeps nothing. */
  readonly estimator: InnerEstimator | undefined;
  /** The inner learning rate by epoch; undefined for OpenCLIP's loss. */
  readonly gamma: ((epoch: number) => number) | undefined;
  readonly temperatureRate: TemperatureRate;
}

export interface MethodContext {
  readonly dataSize: number;
  readonly epochs: number;
  /** The model's learning-rate schedule. */
  readonly schedule: LearningRateSchedule;
}

export function createMethod(config: LossConfig, context: MethodContext): Method {
  const temperatureRate = createTemperatureRate(config, context.schedule);
  if (config.kind === "openclip")
    return { loss: new OpenClipLoss(), estimator: undefined, gamma: undefined, temperatureRate };
  const estimator = new InnerEstimator(context.dataSize);
  const gamma = gammaSchedule(config.gamma satisfies GammaSchedule, context.epochs);
  return {
    loss: new FastClipLoss({ objective: objectiveOf(config), eps: config.eps, estimator }),
    estimator,
    gamma,
    temperatureRate,
  };
}

function objectiveOf(config: Exclude<LossConfig, { kind: "openclip" }>): Objective {
  switch (config.kind) {
    case "fastclip-v0":
      return { kind: "global", tauGradient: config.tauGradient };
    case "fastclip-v1": // tau is not trained, so its gradient is not looked at
      return { kind: "global", tauGradient: "exact" };
    case "fastclip-v3":
      return { kind: "robust", rho: config.rho, tauGradient: config.tauGradient };
  }
}

/** v3: its own rate, cut to a third at `decayAt`. v0 and OpenCLIP: the model's schedule, from its own rate. v1: none. */
function createTemperatureRate(config: LossConfig, schedule: LearningRateSchedule): TemperatureRate {
  if (config.kind === "fastclip-v1") return undefined;
  const lr = config.temperature.lr === "auto" ? schedule.lr : config.temperature.lr;
  if (config.kind === "fastclip-v3") {
    const rate = temperatureLearningRate({ lr, decayAt: config.temperature.decayAt });
    return (_step, tau) => rate(tau);
  }
  return learningRate({ ...schedule, lr });
}
