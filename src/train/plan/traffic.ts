// What the processes of a run send each other in one step, counted in bytes.
import type { ModelConfig } from "../../models/config.ts";
import { resolveBatch } from "../batch.ts";
import type { Config } from "../config/types.ts";
import { towersOf } from "./memory.ts";

/** One collective of a step. */
export interface Collective {
  readonly name: string;
  /** In B pairs of the batch, d numbers of a feature, P parameters that are trained. */
  readonly formula: string;
  /** Size of what every process holds afterwards. */
  readonly bytes: number;
}

/**
 * FastCLIP's gradient reduction: beside the features (without gradient) and the pairs' positions, one number for each pair and side,
 * v2 two. What OpenCLIP's reduction sends in their place is `featureGradients`.
 */
export function collectivesOf(config: Config, model: ModelConfig): Collective[] {
  const { batchSize: B } = resolveBatch(config);
  const { image, text } = towersOf(config, model);
  const P = image.trained + text.trained + (config.loss.kind === "siglip" ? 2 : 1);
  const each = config.loss.kind === "fastclip-v2" ? 2 : 1;
  const scalars: Collective = {
    name: "all-gather of the anchors' scalars",
    formula: each === 1 ? "2 B * 4" : "2 * 2 B * 4",
    bytes: each * 2 * B * 4,
  };
  return [
    { name: "all-gather of the features", formula: "2 B d * 4", bytes: 2 * B * model.embed_dim * 4 },
    { name: "all-gather of the pairs' positions", formula: "8 B", bytes: 8 * B },
    // A term of SigLIP's loss depends on nothing but its own similarity.
    ...(config.loss.kind === "siglip" ? [] : [scalars]),
    { name: "all-reduce of the gradients", formula: "4 P", bytes: 4 * P },
  ];
}

/** The reduce-scatter of feature gradients that the scalars stand in for. */
export function featureGradients(config: Config, { embed_dim }: ModelConfig): Collective {
  const bytes = 2 * resolveBatch(config).batchSize * embed_dim * 4;
  return { name: "reduce-scatter of the features' gradients", formula: "2 B d * 4", bytes };
}
