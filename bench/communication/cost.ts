// What a step's communication would cost on links of a given speed: computed, not measured.
import { join } from "node:path";
import { loadConfig } from "../../src/train/config/load.ts";
import { createPlan } from "../../src/train/plan/index.ts";

/** Between machines. */
export interface Link {
  readonly bitsPerSecond: number;
  /** From the start of a small message to its end. */
  readonly latencySeconds: number;
}

export interface Ring {
  /** Of what every rank holds in the end (of a reduction, in the beginning). */
  readonly bytes: number;
  readonly ranks: number;
  readonly link: Link;
}

/**
 * An all-gather, or a reduce-scatter, in a ring: K - 1 rounds, in each of which every rank passes bytes/K on to the next one. Ranks of one
 * machine stand beside each other in the ring, so that a machine's link carries one rank's messages, however many ranks it has.
 */
export function ringSeconds({ bytes, ranks, link }: Ring): number {
  return (ranks - 1) * (link.latencySeconds + (8 * bytes) / ranks / link.bitsPerSecond);
}

/** A reduce-scatter and an all-gather. */
export function allReduceSeconds(ring: Ring): number {
  return 2 * ringSeconds(ring);
}

/** A recipe with the batch of K ranks, each with as many pairs as one of the paper's had. */
export interface Setting {
  /** A folder of recipes/. */
  readonly recipe: string;
  /** Pairs of one rank. */
  readonly batch: number;
}

/** Bytes of a step by what they are, as `fastclip train --dry-run` counts them. */
export interface StepBytes {
  readonly pairs: number;
  readonly features: number;
  readonly scalars: number;
  readonly featureGradients: number;
  /** Of the parameters. */
  readonly gradients: number;
}

export function stepBytes({ recipe, batch }: Setting, ranks: number): StepBytes {
  const [byScalars, byFeatures] = (["scalars", "features"] as const).map((reduction) => {
    const flags = { "batch-size": `${batch * ranks}`, "gradient-reduction": reduction };
    const file = join(import.meta.dirname, "../../recipes", recipe, "fastclip-v3.yaml");
    const config = loadConfig({ file, flags });
    const data = { size: config.data.trainSize!, source: "the recipe" };
    const { collectives } = createPlan(config, { data, processes: ranks });
    return new Map(collectives.map(({ name, bytes }) => [name, bytes]));
  });
  return {
    pairs: batch * ranks,
    features: byScalars!.get("features")!,
    scalars: byScalars!.get("scalars")!,
    featureGradients: byFeatures!.get("featureGradients")!,
    gradients: byScalars!.get("gradients")!,
  };
}

/** Seconds of a step's collectives by either reduction, and of the parameters' gradients, which both average. */
export function stepSeconds(
  bytes: StepBytes,
  on: { ranks: number; link: Link },
): Readonly<Record<"scalars" | "features" | "gradients", number>> {
  // Each tower's features are gathered by themselves; scalars and feature gradients of both travel in one message.
  const half = { bytes: bytes.features / 2, ...on };
  const gathered = 2 * ringSeconds(half);
  return {
    scalars: gathered + ringSeconds({ bytes: bytes.scalars, ...on }),
    features: gathered + ringSeconds({ bytes: bytes.featureGradients, ...on }),
    gradients: allReduceSeconds({ bytes: bytes.gradients, ...on }),
  };
}
