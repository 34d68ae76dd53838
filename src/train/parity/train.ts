// Replays golden cases of training: whole runs of a small model through the project's own step.

import { ProcessGroup } from "../../distributed/process-group.ts";
import type { Side } from "../../losses/pair.ts";
import { PairState } from "../../losses/pair-state.ts";
import { CLIP, parseModelConfig } from "../../models/index.ts";
import { AdamW } from "../../optim/adamw.ts";
import { parameterGroups } from "../../optim/groups.ts";
import { Lamb } from "../../optim/lamb.ts";
import { type LearningRateSchedule, learningRate } from "../../optim/schedule.ts";
import { type NamedTensors, scope, type Tensor, tensor } from "../../tensor/index.ts";
import type { LossConfig } from "../config/types.ts";
import { Exchange, type ExchangeOptions } from "../exchange.ts";
import { createMethod } from "../method.ts";
import { type FinishedStep, type Trainer, trainStep } from "../step.ts";
import { Towers } from "../towers.ts";
import { createReduction } from "../trainer.ts";
import { tensorOf } from "./case.ts";
import type { Comparison, Tolerance } from "./compare.ts";
import { goldenGamma, type LossSettings } from "./loss.ts";
import type { OptimSettings } from "./optim.ts";

export interface TrainSettings extends LossSettings {
  readonly model: unknown;
  readonly epochs: number;
  readonly temperature: number;
  readonly optimizer: OptimSettings["optimizer"];
  readonly optEps: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly lr: number;
  readonly lrMin: number;
  readonly lrTau: number;
  readonly lrTauIndividual: number;
  readonly warmup: number;
  readonly weightDecay: number;
}

export function unsupportedTrain(settings: TrainSettings): string | undefined {
  if (settings.worldSize > 1) return `${settings.worldSize} processes in one`;
  return undefined;
}

/** What a replay by several processes needs: their group and how they reduce, and the table of pairs that they share. */
export interface ReplayPlace {
  readonly group: ProcessGroup;
  readonly reduction: ExchangeOptions["reduction"];
  readonly createPairs: (columns: readonly string[]) => PairState;
}

/** The part of one rank; a replay in one process plays the only rank. */
export function replayTrain(settings: TrainSettings, tensors: NamedTensors, place?: ReplayPlace): Comparison[] {
  const steps = tensorOf(tensors, "order").size(0);
  const inMemory = (columns: readonly string[]): PairState => PairState.inMemory(columns, settings.dataSize);
  const { group, ...others }: ReplayPlace = place ?? {
    group: ProcessGroup.alone(),
    reduction: "scalars",
    createPairs: inMemory,
  };
  const trainer = createTrainer(settings, { tensors, steps, group, ...others });
  const results = Array.from({ length: steps }, (_, step) => replayStep(trainer, { settings, tensors, step }));
  group.barrier();
  const losses = tensor(
    results.map(({ loss }) => loss),
    { dtype: "float64" },
  );
  const taus = tensor(
    results.map(({ tau }) => tau),
    { dtype: "float64" },
  );
  const ofSeries: Tolerance = { rtol: 1e-3, atol: 0 };
  return [
    { ...compareLosses(losses, { settings, tensors, group, reduction: others.reduction }), tolerance: ofSeries },
    { name: "tau", actual: taus, expected: tensorOf(tensors, "tau"), tolerance: ofSeries },
    ...compareFinal(trainer, tensors),
  ];
}

/** With OpenCLIP's reduction a rank reports its own anchors' terms alone: the mean over ranks is what agrees. */
function compareLosses(
  losses: Tensor,
  {
    settings,
    tensors,
    group,
    reduction,
  }: { settings: TrainSettings; tensors: NamedTensors } & Omit<ReplayPlace, "createPairs">,
): Pick<Comparison, "name" | "actual" | "expected"> {
  const of = (rank: number): Tensor => tensorOf(tensors, `rank${rank}.loss`).to("float64");
  const name = `rank${group.rank}.loss`;
  if (reduction === "scalars") return { name, actual: losses, expected: of(group.rank) };
  const all = Array.from({ length: settings.worldSize }, (_, rank) => of(rank));
  const expected = all.reduce((sum, one) => sum.add(one)).div(all.length);
  return { name: "mean loss", actual: group.allReduceMean_(losses, "mean"), expected };
}

function createTrainer(
  settings: TrainSettings,
  { tensors, steps, group, reduction, createPairs }: ReplayPlace & { tensors: NamedTensors; steps: number },
): Trainer {
  const model = new CLIP(parseModelConfig(settings.model, "model"));
  const start = [...tensors].filter(([name]) => name.startsWith("param."));
  model.loadStateDict(new Map(start.map(([name, value]) => [name.slice("param.".length), value])));
  const { lr, lrMin, warmup } = settings;
  const schedule: LearningRateSchedule = { kind: "cosine", lr, lrMin, warmup, steps };
  const groups = parameterGroups(model.parameters(), settings.weightDecay);
  const adam = { beta1: settings.beta1, beta2: settings.beta2, eps: settings.optEps };
  const method = createMethod(lossConfig(settings), { epochs: settings.epochs, schedule, createPairs });
  return {
    model,
    method,
    groups,
    optimizer: settings.optimizer === "lamb" ? new Lamb(groups, adam) : new AdamW(groups, adam),
    learningRate: learningRate(schedule),
    towers: new Towers(model, { precision: "fp32", gradCheckpointing: false }),
    microBatch: settings.localBatch,
    group,
    exchange: new Exchange(group, { reduction, featurePrecision: "fp32" }),
    reduction: createReduction(group, { model, method }),
    gradClipNorm: undefined,
  };
}

function lossConfig(settings: TrainSettings): LossConfig {
  const { eps, rho, lrTau: lr, temperature: init } = settings;
  const gamma = goldenGamma(settings);
  switch (settings.variant) {
    case "v0":
      return { kind: "fastclip-v0", eps, gamma, tauGradient: "reference", temperature: { init, lr } };
    case "v1":
      return { kind: "fastclip-v1", eps, gamma, temperature: { init } };
    case "v2": {
      const temperature = {
        init,
        lr: settings.lrTauIndividual,
        beta1: settings.beta1,
        beta2: settings.beta2,
        eps: 1e-8,
      };
      return { kind: "fastclip-v2", eps, rho, gamma, temperature };
    }
    case "v3":
      return {
        kind: "fastclip-v3",
        eps,
        rho,
        gamma,
        tauGradient: "reference",
        temperature: { init, lr, decayAt: 0.03 },
      };
    default:
      return { kind: "openclip", temperature: { init, lr } };
  }
}

function replayStep(
  trainer: Trainer,
  { settings, tensors, step }: { settings: TrainSettings; tensors: NamedTensors; step: number },
): FinishedStep {
  return scope(() => {
    const { group, microBatch } = trainer;
    const all = tensorOf(tensors, "order").select(0, step);
    const ids = all.narrow(0, group.rank * microBatch, microBatch);
    const rows = (name: string): Tensor => tensorOf(tensors, name).indexSelect(0, ids);
    const stepsPerEpoch = Math.floor(settings.dataSize / all.numel);
    const position = { epoch: Math.floor(step / stepsPerEpoch), step };
    const result = trainStep(trainer, { images: rows("image"), tokens: rows("text"), ids }, position);
    if ("skipped" in result) throw new Error(`step ${step}: ${result.skipped}`);
    return result;
  });
}

const tolerance: Tolerance = { relativeToLargest: 1e-3, atol: 1e-6 };

function compareFinal({ model, method }: Trainer, tensors: NamedTensors): Comparison[] {
  const parameters = [...model.parameters()].flatMap(([name, parameter]) => {
    const [actual, expected] = [parameter.detach(), tensorOf(tensors, `final.${name}`)];
    return name.endsWith(".in_proj_bias")
      ? compareAttentionBias(`final.${name}`, { actual, expected })
      : [{ name: `final.${name}`, actual, expected, tolerance }];
  });
  const { pairs } = method;
  if (pairs === undefined) return parameters;
  return [
    ...parameters,
    { name: "final_u_im", actual: finalU(pairs, "image"), expected: tensorOf(tensors, "final_u_im"), tolerance },
    { name: "final_u_tt", actual: finalU(pairs, "text"), expected: tensorOf(tensors, "final_u_tt"), tolerance },
  ];
}

/** u as the reference keeps it: in v2 over exp(bound). */
function finalU(pairs: PairState, side: Side): Tensor {
  const logU = pairs.column(`log_u.${side}`);
  const bound = pairs.has(`bound.${side}`) ? pairs.column(`bound.${side}`) : logU.zerosLike();
  return logU.sub(bound).exp().mul(logU.ne(0));
}

/**
 * The biases of query, key and value. A key's bias adds the same number to all scores of a query, and softmax takes it out again: its
 * true gradient is 0, and what Adam makes of the rounding errors instead (each divided by their own root mean square) is different
 * in every implementation. So that part must only be noise of the same order as the reference's; the other two are compared as all else.
 */
function compareAttentionBias(name: string, { actual, expected }: { actual: Tensor; expected: Tensor }): Comparison[] {
  const width = actual.numel / 3;
  const part = (values: Tensor, i: number): Tensor => values.narrow(0, i * width, width);
  const noise: Tolerance = { rtol: 0, atol: 5 * part(expected, 1).abs().max().item() };
  return ["query", "key", "value"].map((role, i) => ({
    name: `${name} (${role})`,
    actual: part(actual, i),
    expected: part(expected, i),
    tolerance: role === "key" ? noise : tolerance,
  }));
}
