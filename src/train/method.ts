// From the configured loss to the rules of a run: the loss, what it keeps of every pair, gamma, and the temperature's learning rate.
import { InnerEstimator } from "../losses/estimator.ts";
import { FastClipLoss } from "../losses/fastclip.ts";
import { gammaSchedule } from "../losses/gamma.ts";
import { IndividualLoss } from "../losses/individual.ts";
import type { ContrastiveLoss } from "../losses/loss.ts";
import { OpenClipLoss } from "../losses/openclip.ts";
import type { PairState } from "../losses/pair-state.ts";
import { SigLipLoss } from "../losses/siglip.ts";
import { type LearningRateSchedule, learningRate, temperatureLearningRate } from "../optim/schedule.ts";
import type { LossConfig } from "./config/types.ts";
import { type FastClipConfig, partsOf, temperatureOf } from "./parts.ts";

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
  const { objective, eps } = partsOf(config);
  return { loss: new FastClipLoss({ objective, eps, estimator }), pairs };
}

/** None where no temperature of all pairs is trained: with a constant one, and with v2's own one for each. */
function createTemperatureRate(config: LossConfig, schedule: LearningRateSchedule): Method["temperatureRate"] {
  if (config.kind === "fastclip-v2") return undefined;
  const rule = temperatureOf(config);
  if (rule.kind === "constant") return undefined;
  const lr = rule.lr === "auto" ? schedule.lr : rule.lr;
  if (rule.kind === "scheduled") return learningRate({ ...schedule, lr });
  const rate = temperatureLearningRate({ lr, decayAt: rule.decayAt });
  return (_step, tau) => rate(tau);
}
