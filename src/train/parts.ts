// The named losses as the parts that they are put together from, in one table for all.
import type { Objective } from "../losses/fastclip.ts";
import type { LossConfig, TemperatureRule } from "./config/types.ts";

export type FastClipConfig = Exclude<LossConfig, { kind: "openclip" | "siglip" }>;
type SharedTemperatureConfig = Exclude<FastClipConfig, { kind: "fastclip-v2" }>;

/** What a FastCLIP loss with one temperature for all pairs is made of, beside gamma. */
export interface LossParts {
  readonly objective: Objective;
  readonly eps: number;
  readonly temperature: TemperatureRule;
}

/** v0 is fastclip-global with a scheduled temperature, v1 with a constant one, v3 is fastclip-robust with a stepped one. */
export function partsOf(config: SharedTemperatureConfig): LossParts {
  const { eps } = config;
  switch (config.kind) {
    case "fastclip-v0":
      return { eps, objective: global(config), temperature: { kind: "scheduled", ...config.temperature } };
    case "fastclip-v1": // tau is not trained, so its gradient is not looked at
      return {
        eps,
        objective: { kind: "global", tauGradient: "exact" },
        temperature: { kind: "constant", ...config.temperature },
      };
    case "fastclip-v3":
      return { eps, objective: robust(config), temperature: { kind: "stepped", ...config.temperature } };
    case "fastclip-global":
      return { eps, objective: global(config), temperature: config.temperature };
    case "fastclip-robust":
      return { eps, objective: robust(config), temperature: config.temperature };
  }
}

const global = ({ tauGradient }: Pick<Objective, "tauGradient">): Objective => ({ kind: "global", tauGradient });
const robust = ({ rho, tauGradient }: Omit<Objective & { kind: "robust" }, "kind">): Objective => ({
  kind: "robust",
  rho,
  tauGradient,
});

/** The rule of the temperature that all pairs share. v2 has none, since each of its pictures and texts has its own. */
export function temperatureOf(config: Exclude<LossConfig, { kind: "fastclip-v2" }>): TemperatureRule {
  if (config.kind === "openclip" || config.kind === "siglip") return { kind: "scheduled", ...config.temperature };
  return partsOf(config).temperature;
}
