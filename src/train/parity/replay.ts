// Runs any golden case through the project's own code.
import { scope } from "../../tensor/index.ts";
import { type Case, readSettings, readTensors } from "./case.ts";
import { type Comparison, compare } from "./compare.ts";
import { type LossSettings, replayLoss } from "./loss.ts";
import { replayModel } from "./model.ts";
import { type OptimSettings, replayOptim, unsupportedOptim } from "./optim.ts";
import { replaySchedule } from "./schedule.ts";
import { replayTokenizer, type TokenizerSettings } from "./tokenizer.ts";
import { replayTrain, type TrainSettings, unsupportedTrain } from "./train.ts";

export type Verdict =
  | {
      readonly case: string;
      readonly status: "ok" | "failed";
      readonly maxAbs: number;
      readonly maxRel: number;
      readonly failures: readonly string[];
    }
  | { readonly case: string; readonly status: "unsupported"; readonly reason: string };

/** Replays a case and compares everything that it expects. A case that cannot be read or run has failed. */
export function replay(golden: Case): Verdict {
  try {
    const reason = unsupported(golden);
    if (reason !== undefined) return { case: golden.name, status: "unsupported", reason };
    return scope(() => judge(golden.name, results(golden)));
  } catch (error) {
    const failures = [(error as Error).message];
    return { case: golden.name, status: "failed", maxAbs: Number.NaN, maxRel: Number.NaN, failures };
  }
}

function unsupported(golden: Case): string | undefined {
  const settings: unknown = readSettings(golden);
  switch (golden.kind) {
    case "optim":
      return unsupportedOptim(settings as OptimSettings);
    case "train":
      return unsupportedTrain(settings as TrainSettings);
    case "loss":
    case "model":
    case "schedule":
    case "tokenizer":
      return undefined;
    default:
      return `cases of ${golden.kind}`;
  }
}

function results(golden: Case): Comparison[] {
  const settings: unknown = readSettings(golden);
  switch (golden.kind) {
    case "loss":
      return replayLoss(settings as LossSettings, readTensors(golden));
    case "optim":
      return replayOptim(settings as OptimSettings, readTensors(golden));
    case "train":
      return replayTrain(settings as TrainSettings, readTensors(golden));
    case "model":
      return replayModel(settings, readTensors(golden));
    case "schedule":
      return replaySchedule(readSettings(golden));
    default:
      return replayTokenizer(settings as TokenizerSettings);
  }
}

/** Compares everything that a case expects. */
export function judge(name: string, comparisons: readonly Comparison[]): Verdict {
  if (comparisons.length === 0) throw new Error("the case expects nothing");
  const differences = comparisons.map((comparison) => ({ name: comparison.name, ...compare(comparison) }));
  const failures = differences.filter(({ ok }) => !ok).map(({ name: what }) => what);
  return {
    case: name,
    status: failures.length === 0 ? "ok" : "failed",
    maxAbs: Math.max(...differences.map(({ maxAbs }) => maxAbs)),
    maxRel: Math.max(...differences.map(({ maxRel }) => maxRel)),
    failures,
  };
}
