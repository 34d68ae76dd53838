// Evaluation as the configuration asks for it.
import type { Dataset } from "../data/dataset.ts";
import type { Fault } from "../data/faults.ts";
import type { ProcessGroup } from "../distributed/process-group.ts";
import { type ClassList, type Evaluation, evaluate, readClasses } from "../eval/index.ts";
import type { CLIP } from "../models/index.ts";
import type { Config } from "./config/types.ts";
import { resolvePrecision } from "./precision.ts";

export interface EvaluationContext {
  readonly config: Config;
  readonly model: CLIP;
  readonly dataset: Dataset;
  /** Queries in the picture grid; 0 for none. */
  readonly gallery: number;
  /** Every process is told of all damaged samples. */
  readonly onFault: (fault: Fault) => void;
  /** The processes that share the work, with the same model each, and all get the figures. */
  readonly group: ProcessGroup;
}

/** Measures the model on the evaluation data. */
export async function evaluateConfigured({
  config,
  model,
  dataset,
  gallery,
  onFault,
  group,
}: EvaluationContext): Promise<Evaluation> {
  const { vision_cfg, text_cfg } = model.config;
  const { aug, workers, maxBadRate } = config.data;
  return evaluate({
    model,
    dataset,
    classes: await configuredClasses(config),
    retrieval: config.eval.retrieval,
    split: config.eval.split,
    image: { size: vision_cfg.image_size, mean: aug.mean, std: aug.std },
    contextLength: text_cfg.context_length,
    batchSize: evalBatch,
    workers,
    maxBadRate,
    precision: resolvePrecision(config.model.precision),
    gallery: { count: gallery },
    onFault,
    group,
  });
}

// Whatever the batch of training and the number of processes, so that the figures are the same to the last bit.
const evalBatch = 128;

async function configuredClasses({ eval: { zeroShot } }: Config): Promise<ClassList | undefined> {
  const { classes, templates } = zeroShot;
  return classes === undefined ? undefined : readClasses(classes, templates === undefined ? {} : { templates });
}
