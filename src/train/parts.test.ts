import { describe, expect, test } from "vitest";
import { PairState } from "../losses/pair-state.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";
import type { LossConfig } from "./config/types.ts";
import { createMethod, type Method } from "./method.ts";
import { type LossParts, partsOf } from "./parts.ts";

const configured = (flags: FlagValues): LossConfig => loadConfig({ flags: { "train-data": "a.tar", ...flags } }).loss;

function parts(flags: FlagValues): LossParts {
  const loss = configured(flags);
  if (loss.kind === "openclip" || loss.kind === "siglip" || loss.kind === "fastclip-v2") throw new Error(loss.kind);
  return partsOf(loss);
}

function method(flags: FlagValues): Method {
  const schedule = { kind: "const", lr: 1e-3, warmup: 10 } as const;
  const createPairs = (columns: readonly string[]) => PairState.inMemory(columns, 4);
  return createMethod(configured(flags), { epochs: 10, schedule, createPairs });
}

test.each([
  [{ loss: "fastclip-v0" }, { loss: "fastclip-global" }],
  [{ loss: "fastclip-v3" }, { loss: "fastclip-robust" }],
  [
    { loss: "fastclip-v3", rho: "8", "tau-gradient": "exact", "lr-tau-decay-at": "0" },
    { loss: "fastclip-robust", rho: "8", "tau-gradient": "exact", "lr-tau-decay-at": "0" },
  ],
  [
    { loss: "fastclip-v1", temperature: "0.03" },
    {
      ...{ loss: "fastclip-global", "temperature-rule": "constant", "tau-gradient": "exact" },
      temperature: "0.03",
    },
  ],
] as const)("%j is %j", (named, mixed) => expect(parts(named)).toEqual(parts(mixed)));

describe("parts in a mix that has no name", () => {
  const tau = 0.02;

  test("v3's objective with a constant temperature", () => {
    const mix = { loss: "fastclip-robust", "temperature-rule": "constant", rho: "7" };
    expect(parts(mix).objective).toMatchObject({ kind: "robust", rho: 7 });
    expect(method(mix).temperatureRate).toBeUndefined();
  });

  test("v3's objective with v0's rate, and v0's objective with v3's", () => {
    const rates = { "lr-tau": "6e-4" };
    const scheduled = method({ ...rates, loss: "fastclip-robust", "temperature-rule": "scheduled" });
    expect(scheduled.temperatureRate!(0, tau)).toBeCloseTo(6e-5, 12); // a tenth of the warm-up
    expect([9, 50].map((step) => scheduled.temperatureRate!(step, tau))).toEqual([6e-4, 6e-4]);
    const stepped = method({ ...rates, loss: "fastclip-global", "temperature-rule": "stepped" });
    expect(stepped.temperatureRate!(0, 0.07)).toBe(6e-4);
    expect(stepped.temperatureRate!(0, tau)).toBeCloseTo(2e-4, 12);
  });

  test("any objective with any gamma", () => {
    const mix = { loss: "fastclip-robust", "gamma-schedule": "constant", gamma: "0.4" };
    expect([0, 1, 9].map((epoch) => method(mix).gamma!(epoch))).toEqual([1, 0.4, 0.4]);
  });
});
