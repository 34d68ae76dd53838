// A batch in parts that together are one batch: the loss sees all pairs, memory holds one part (GradCache, arXiv 2101.06983).
import { mapPair, pair } from "../losses/pair.ts";
import { cat, type Tensor } from "../tensor/index.ts";
import type { Inputs } from "./encode.ts";
import type { Encoded, OnFeatures, Towers } from "./towers.ts";

/**
 * Encodes a batch whole, or `microBatch` pairs at a time. In parts, each part is encoded without what backward needs, the loss is
 * computed once on the features of all, and backward encodes one part after the other again. The gradients are those of the whole
 * batch, but for batch norm, whose statistics are those of a part (of that of all processes, where they are synchronised). `onFeatures` is told of each side's features of the whole batch.
 */
export function encodeInParts(
  inputs: Inputs,
  { towers, microBatch, onFeatures }: { towers: Towers; microBatch: number; onFeatures: OnFeatures },
): Encoded {
  const size = inputs.ids.numel;
  if (microBatch >= size) return towers.forward(inputs, onFeatures);
  const parts = Array.from({ length: Math.ceil(size / microBatch) }, (_, i) => {
    const [start, rows] = [i * microBatch, Math.min(microBatch, size - i * microBatch)];
    const cut = (values: Tensor): Tensor => values.narrow(0, start, rows);
    return { cut, encoded: towers.forwardTwice({ images: cut(inputs.images), tokens: cut(inputs.tokens) }) };
  });
  const features = pair((side) => cat(parts.map(({ encoded }) => encoded.features[side])));
  mapPair(features, (values, side) => onFeatures(side, values));
  return {
    features,
    kept: parts.flatMap(({ encoded }) => encoded.kept),
    backward: (gradients, last) => {
      for (const [i, { cut, encoded }] of parts.entries())
        encoded.backward(mapPair(gradients, cut), i === parts.length - 1 ? last : undefined);
    },
  };
}
