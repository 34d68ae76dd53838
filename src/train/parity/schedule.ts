// Replays golden cases of schedules: a list of numbers for each.
import { gammaSchedule } from "../../losses/gamma.ts";
import { learningRate } from "../../optim/schedule.ts";
import { tensor } from "../../tensor/index.ts";
import type { Settings } from "./case.ts";
import type { Comparison } from "./compare.ts";

/** "schedule/gamma" and "schedule/lr" are told apart by what they list. */
export function replaySchedule(settings: Settings): Comparison[] {
  return "cosineByEpoch" in settings
    ? replayGamma(settings as unknown as GammaSettings)
    : replayRates(settings as unknown as RateSettings);
}

interface GammaSettings {
  readonly gamma: number;
  readonly decayEpochs: number;
  readonly constantByEpoch: readonly number[];
  readonly cosineByEpoch: readonly number[];
}

function replayGamma({ gamma, decayEpochs, constantByEpoch, cosineByEpoch }: GammaSettings): Comparison[] {
  const epochs = cosineByEpoch.length;
  return [
    compared("constantByEpoch", gammaSchedule({ kind: "constant", gamma }, epochs), constantByEpoch),
    compared("cosineByEpoch", gammaSchedule({ kind: "cosine", gammaMin: gamma, decayEpochs }, epochs), cosineByEpoch),
  ];
}

interface RateSettings {
  readonly lr: number;
  readonly lrMin: number;
  readonly warmup: number;
  readonly steps: number;
  readonly cooldownSteps: number;
  readonly cooldownPower: number;
  readonly cooldownEnd: number;
  readonly const: readonly number[];
  readonly constCooldown: readonly number[];
  readonly cosine: readonly number[];
}

function replayRates(settings: RateSettings): Comparison[] {
  const { lr, lrMin, warmup, steps, cooldownSteps, cooldownPower: power, cooldownEnd: lrEnd } = settings;
  return [
    compared("cosine", learningRate({ kind: "cosine", lr, lrMin, warmup, steps }), settings.cosine),
    compared("const", learningRate({ kind: "const", lr, warmup }), settings.const),
    compared(
      "constCooldown",
      learningRate({ kind: "const-cooldown", lr, warmup, steps, cooldownSteps, power, lrEnd }),
      settings.constCooldown,
    ),
  ];
}

function compared(name: string, schedule: (at: number) => number, expected: readonly number[]): Comparison {
  const actual = expected.map((_, i) => schedule(i));
  const precise = (values: readonly number[]) => tensor(values, { dtype: "float64" });
  return { name, actual: precise(actual), expected: precise(expected), tolerance: { rtol: 0, atol: 1e-9 } };
}
