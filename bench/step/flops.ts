// The floating-point operations of a training step of two transformers, written out from the configuration.
import type { ModelConfig } from "../../src/models/index.ts";

interface Tower {
  readonly tokens: number;
  readonly width: number;
  readonly layers: number;
  readonly mlpRatio: number;
  readonly outWidth: number;
}

/**
 * Products of a step of ours for a pair, forward and back; a multiplication and an addition are two. `textTokens` are those that the text
 * tower works on, in the mean. Undefined for a ResNet.
 */
export function flopsOfPair({ vision_cfg, text_cfg, embed_dim }: ModelConfig, textTokens: number): number | undefined {
  const { image_size, patch_size, width, layers, mlp_ratio } = vision_cfg;
  if (patch_size === null || typeof layers !== "number") return undefined;
  const patches = Math.floor(image_size / patch_size) ** 2;
  const image = { tokens: patches + 1, width, layers, mlpRatio: mlp_ratio, outWidth: embed_dim };
  const text = { ...text_cfg, tokens: textTokens, mlpRatio: text_cfg.mlp_ratio, outWidth: embed_dim };
  // The pixels need no gradient, so the patches' product runs back once, to its weights.
  const embedding = 2 * 2 * patches * 3 * patch_size ** 2 * width;
  return embedding + 3 * (forwardOf(image) + forwardOf(text));
}

/** All but the last block work on every token; the last one on the token that is read, with keys and values of all. */
function forwardOf({ tokens, width, layers, mlpRatio, outWidth }: Tower): number {
  const ofToken = 2 * (2 * width ** 2 + 2 * mlpRatio * width ** 2); // query, output and the perceptron
  const keysAndValues = 2 * tokens * 2 * width ** 2;
  const attention = 2 * 2 * tokens * width; // of one query
  const block = tokens * (ofToken + attention) + keysAndValues;
  return (layers - 1) * block + ofToken + attention + keysAndValues + 2 * width * outWidth;
}
