// Whether a set-up can learn at all: a model, a loss and an optimizer that are in order learn a small batch by heart in seconds.
import { ProcessGroup } from "../distributed/process-group.ts";
import { PairState } from "../losses/pair-state.ts";
import { modelConfig } from "../models/presets.ts";
import { manualSeed, scope, setThreads } from "../tensor/index.ts";
import { describeAlike } from "./collapse.ts";
import type { Config } from "./config/types.ts";
import { inputsOf } from "./encode.ts";
import { createConfigured } from "./model.ts";
import { chooseDifferent, type Pairs } from "./overfit-batch.ts";
import { type FinishedStep, trainStep } from "./step.ts";
import { createTrainer } from "./trainer.ts";

export interface Overfit {
  /** One clause: how far the loss came. */
  readonly found: string;
  /** What may be the cause and what to do; undefined where the batch was learned by heart. */
  readonly mend: string | undefined;
}

interface OverfitOptions {
  /** Called after every step with its number, from 1, and its loss. */
  readonly onStep?: (step: number, infoNce: number) => void;
}

/** InfoNCE, in nats, of a batch that is known by heart: each pair is told from the others with a probability of 0.95. */
const learned = 0.05;
const mostSteps = 200;
/** Fewer pairs say little: two are told apart by chance. */
const fewestPairs = 4;
/** A loss that came no further than this share of where it began has not moved. */
const moved = 0.02;

/**
 * Trains the configured model on a few pairs of its data, again and again, with the configured loss and optimizer. The learning rate
 * is the configured one, constant after a warm-up of at most 10 steps, and gamma is that of the first epoch.
 */
export async function overfit(config: Config, options: OverfitOptions = {}): Promise<Overfit> {
  if (config.run.threads !== "auto") setThreads(config.run.threads);
  const { pairs, seen } = await chooseDifferent(config, modelConfig(config.model.name));
  if (pairs.size < fewestPairs)
    return {
      found: `pairs with a picture and a caption of their own among the first ${seen}: ${pairs.size}, where ${fewestPairs} are needed`,
      mend: "look at the data: pictures or captions are all alike",
    };
  const course = learnByHeart(config, { ...options, pairs });
  const guessing = Math.log(pairs.size);
  const level = course.last?.infoNce ?? Number.NaN;
  const found = `InfoNCE ${level.toFixed(3)} after ${course.steps} steps on ${pairs.size} different pairs; guessing has ${guessing.toFixed(3)}`;
  return { found, mend: causeOf(course, config) };
}

/** How a training on one batch went. */
interface Course {
  readonly steps: number;
  readonly first: FinishedStep | undefined;
  readonly last: FinishedStep | undefined;
  /** Whether the step after them was not finite, which ended the training. */
  readonly broke: boolean;
}

function learnByHeart(config: Config, { pairs, onStep }: OverfitOptions & { pairs: Pairs }): Course {
  const { warmup } = config.optim;
  const optim = { ...config.optim, schedule: { kind: "const" as const }, warmup: Math.min(warmup, 10) };
  const model = createConfigured(config, { begins: true });
  const trainer = createTrainer(
    { ...config, optim },
    {
      model,
      stepsPerEpoch: mostSteps,
      microBatch: pairs.size,
      group: ProcessGroup.alone(),
      createPairs: (columns) => PairState.inMemory(columns, pairs.size),
    },
  );
  manualSeed(config.run.seed);
  let [first, last]: (FinishedStep | undefined)[] = [];
  for (let step = 0; step < mostSteps; step++) {
    const position = { epoch: 0, step, isLogged: true };
    const result = scope(() => trainStep(trainer, inputsOf(pairs, trainer.inputShape), position));
    if ("skipped" in result) return { steps: step, first, last, broke: true };
    last = result;
    first ??= result;
    onStep?.(step + 1, last.infoNce);
    if (last.infoNce < learned) return { steps: step + 1, first, last, broke: false };
  }
  return { steps: mostSteps, first, last, broke: false };
}

/** What kept the batch from being learned; undefined where nothing did. */
function causeOf({ steps, first, last, broke }: Course, { optim: { lr } }: Config): string | undefined {
  if (broke || first === undefined || last === undefined)
    return `step ${steps + 1} was not finite: lower the learning rate (--lr, now ${lr}) or clip gradients (--grad-clip-norm)`;
  if (last.infoNce < learned) return undefined;
  const change = last.infoNce - first.infoNce;
  const { likeness } = last;
  const alike = likeness && describeAlike({ imageLikeness: likeness.image, textLikeness: likeness.text });
  if (alike !== undefined && Math.abs(change) > moved * first.infoNce)
    return `${alike}: look whether they are alike themselves; else lower the learning rate (--lr, now ${lr})`;
  if (change > moved * first.infoNce) return `the loss rises: lower the learning rate (--lr, now ${lr})`;
  if (change > -moved * first.infoNce)
    return `the loss does not move: raise the learning rate (--lr, now ${lr}), and see that something is trained (--lock-image, --lock-text)`;
  return `the loss falls, but not far: raise the learning rate (--lr, now ${lr}) or, where the loss jumps, lower it`;
}
