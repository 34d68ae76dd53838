// Zero-shot classification on the held-out style of the demonstration data, by the code of `fastclip eval`.
import type { DemoSummary } from "../../src/data/demo/build.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { createModel, loadWeights } from "../../src/models/index.ts";
import { loadConfig } from "../../src/train/config/load.ts";
import { openConfigured } from "../../src/train/data.ts";
import { evaluateConfigured } from "../../src/train/evaluation.ts";
import { common } from "./trainer.ts";

/** Shares of the pictures, 0..1. */
export interface Accuracy {
  readonly top1: number;
  readonly top5: number;
}

export interface ZeroShotOptions {
  readonly model: string;
  /** A saved folder of ours or a .pt file; without it the model is a new one. */
  readonly weights: string | undefined;
  readonly precision: string;
  readonly data: DemoSummary;
}

const split = "held-out style";

export async function zeroShot({ model: name, weights, precision, data }: ZeroShotOptions): Promise<Accuracy> {
  const val = [data.heldOutStyle.pattern];
  const config = loadConfig({
    flags: { "train-data": val, "val-data": val, model: name, precision, workers: "1" },
    overrides: { eval: { zeroShot: { classes: data.classes }, retrieval: false, split } },
  });
  const model = createModel(name, { seed: common.seed });
  const onFault = ({ message }: { message: string }): void => console.error(message);
  const dataset = await openConfigured(val, { config, onFault });
  try {
    if (weights !== undefined) loadWeights(model, weights);
    const group = ProcessGroup.alone();
    const { results } = await evaluateConfigured({ config, model, dataset, gallery: 0, onFault, group });
    const share = (metric: string): number => {
      const found = results.find((result) => result.metric === metric && result.split === split);
      if (found === undefined) throw new Error(`the evaluation has no ${metric} of the ${split}`);
      return found.value;
    };
    return { top1: share("zero-shot top-1"), top5: share("zero-shot top-5") };
  } finally {
    dataset.close();
    model.free();
  }
}
