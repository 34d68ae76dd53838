// What the processes of a run send each other in one step, counted in bytes.
import type { ModelConfig } from "../../models/config.ts";
import { resolveBatch } from "../batch.ts";
import type { Config } from "../config/types.ts";
import { temperatureOf } from "../parts.ts";
import { towersOf } from "./memory.ts";

/** One kind of exchange in a step. */
export interface Collective {
  /** As the metrics call it. */
  readonly name: string;
  /** In B pairs of the batch, d numbers of a feature, P parameters that are trained. */
  readonly formula: string;
  /** Size of what every process holds afterwards. */
  readonly bytes: number;
}

/**
 * Beside the features (without gradient), with which the pairs' positions travel: FastCLIP's reduction gathers one number for each pair
 * and side, v2 four; OpenCLIP's reduces the features' gradients.
 */
export function collectivesOf(config: Config, model: ModelConfig): Collective[] {
  const { batchSize: B } = resolveBatch(config);
  const { loss, distributed } = config;
  const { image, text } = towersOf(config, model);
  const P = image.trained + text.trained + scalarsTrained(loss);
  const f = distributed.featurePrecision === "bf16" ? 2 : 4;
  // A term of SigLIP's loss depends on nothing but its own similarity.
  const parts =
    loss.kind === "siglip"
      ? []
      : [distributed.gradientReduction === "scalars" ? scalars(config) : featureGradients(config, model)];
  return [
    { name: "features", formula: `2 B d * ${f} + 8 B`, bytes: 2 * B * model.embed_dim * f + 8 * B },
    ...parts,
    { name: "gradients", formula: "4 P", bytes: 4 * P },
  ];
}

/** What the other reduction would send. */
export function notSent(config: Config, model: ModelConfig): Collective {
  return config.distributed.gradientReduction === "scalars" ? featureGradients(config, model) : scalars(config);
}

function scalars(config: Config): Collective {
  const { batchSize: B } = resolveBatch(config);
  const each = config.loss.kind === "fastclip-v2" ? 4 : 1;
  return { name: "scalars", formula: each === 1 ? "2 B * 4" : `${each} * 2 B * 4`, bytes: each * 2 * B * 4 };
}

function featureGradients(config: Config, { embed_dim }: ModelConfig): Collective {
  const bytes = 2 * resolveBatch(config).batchSize * embed_dim * 4;
  return { name: "featureGradients", formula: "2 B d * 4", bytes };
}

/** The temperature where it is one that is trained, and SigLIP's bias. */
function scalarsTrained(loss: Config["loss"]): number {
  if (loss.kind === "fastclip-v2") return 0;
  const isTrained = temperatureOf(loss).kind !== "constant";
  return (isTrained ? 1 : 0) + (loss.kind === "siglip" ? 1 : 0);
}
