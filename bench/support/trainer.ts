// Our training step on batches that lie in memory: the trainer of `fastclip train`, without its loop, log and loader.
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import type { PairState } from "../../src/losses/pair-state.ts";
import { gradOf, normOf, scope } from "../../src/tensor/index.ts";
import { loadConfig } from "../../src/train/config/load.ts";
import { inputsOf } from "../../src/train/encode.ts";
import { createConfigured } from "../../src/train/model.ts";
import type { Pairs } from "../../src/train/overfit-batch.ts";
import { type FinishedStep, trainStep } from "../../src/train/step.ts";
import { type ConfiguredTrainer, createTrainer } from "../../src/train/trainer.ts";

/** What both sides train with, as OpenCLIP's trainer.py takes it. */
export const common = { lr: 5e-4, weightDecay: 0.2, seed: 0 };

export interface TrainerOptions {
  readonly model: string;
  readonly precision: "amp_bf16" | "fp32";
  readonly loss: string;
  /** Makes the table of a loss that keeps something of every pair; OpenCLIP's keeps nothing. */
  readonly createPairs?: (columns: readonly string[]) => PairState;
}

/** A trainer with OpenCLIP's settings at a constant learning rate: AdamW, tau from 0.07 and learned. */
export function openTrainer({
  model: name,
  precision,
  loss,
  createPairs = noPairs,
}: TrainerOptions): ConfiguredTrainer {
  const { lr, weightDecay, seed } = common;
  const config = loadConfig({
    flags: { "train-data": ["none"], model: name, precision, loss, "lr-scheduler": "const" },
    overrides: { optim: { lr, weightDecay, warmup: 0 }, run: { seed } },
  });
  return createTrainer(config, {
    model: createConfigured(config, { begins: true }),
    stepsPerEpoch: 1000,
    microBatch: Number.MAX_SAFE_INTEGER,
    group: ProcessGroup.alone(),
    createPairs,
  });
}

function noPairs(): never {
  throw new Error("the loss keeps something of every pair: createPairs is needed");
}

/** Takes the step with that number, from 0. Throws where it was given up. */
export function stepOn(trainer: ConfiguredTrainer, pairs: Pairs, step: number): FinishedStep {
  const result = scope(() => trainStep(trainer, inputsOf(pairs, trainer.inputShape), { epoch: 0, step }));
  if ("skipped" in result) throw new Error(`step ${step + 1} was given up: ${result.skipped}`);
  return result;
}

/** The norm of every parameter's gradient, as the last step left it. */
export function gradientNorms({ model }: ConfiguredTrainer): Record<string, number> {
  return scope(() =>
    Object.fromEntries(
      [...model.parameters()].flatMap(([name, parameter]) => {
        const gradient = gradOf(parameter);
        return gradient === null ? [] : [[name, normOf([gradient])]];
      }),
    ),
  );
}
