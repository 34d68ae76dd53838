// How large the towers are, written out from the configuration: parameters, and what a training step keeps of each sample.
import type { ModelConfig } from "../../models/config.ts";
import type { Precision } from "../encode.ts";

/** One stage of a tower: the embedding, a block, or the head. Memory is in bytes for one sample. */
export interface StageSize {
  /** Numbers that are trained. */
  readonly parameters: number;
  /** Those among them that autocast makes a copy of, which is kept. */
  readonly matrices: number;
  /** Those among them whose gradient is a single product (../gradient-type.ts). */
  readonly products: number;
  /** Those of the largest tensor, whose gradient is made before it is added to what is there. */
  readonly largest: number;
  /** What it is given, which is all that gradient checkpointing keeps of it. */
  readonly input: number;
  /** What is kept for the way back, the input among it. */
  readonly kept: number;
  /** What its way forward or back takes for a moment beside that. */
  readonly passing: number;
}

/** Bytes of a number in the parameters, and in what is computed in the towers' precision. */
interface Widths {
  readonly full: number;
  readonly half: number;
}

const widthsOf = (precision: Precision): Widths => ({ full: 4, half: precision === "amp_bf16" ? 2 : 4 });

export interface TowerSizes {
  readonly image: readonly StageSize[];
  readonly text: readonly StageSize[];
}

/** The stages of both towers, in the order of `CLIP.stages`. */
export function towerSizes(config: ModelConfig, precision: Precision): TowerSizes {
  const widths = widthsOf(precision);
  const { vision_cfg } = config;
  const isResNet = typeof vision_cfg.layers !== "number";
  return { image: (isResNet ? resNet : visionTransformer)(config, widths), text: textTransformer(config, widths) };
}

function visionTransformer({ vision_cfg, embed_dim }: ModelConfig, widths: Widths): StageSize[] {
  const { image_size: side, width, head_width, mlp_ratio, patch_dropout } = vision_cfg;
  const patchSize = vision_cfg.patch_size!;
  const patches = Math.floor(side / patchSize) ** 2;
  const tokens = 1 + (patch_dropout > 0 ? Math.max(1, Math.trunc(patches * (1 - patch_dropout))) : patches);
  const pixels = 3 * side * side;
  const embedding: StageSize = {
    parameters: 3 * patchSize ** 2 * width + width + (patches + 1) * width + 2 * width,
    matrices: 3 * patchSize ** 2 * width,
    products: 3 * patchSize ** 2 * width,
    largest: 3 * patchSize ** 2 * width,
    input: 0, // the batch itself
    // The picture as patches, and what the norm before the blocks reads.
    kept: widths.half * pixels + widths.half * tokens * width,
    passing: widths.full * pixels + 3 * widths.half * (patches + 1) * width,
  };
  const heads = width / head_width;
  const layers = vision_cfg.layers as number;
  const mlp = Math.trunc(width * mlp_ratio);
  return transformer({ embedding, layers, tokens, width, heads, mlp, embed_dim, number: widths.half }, widths);
}

function textTransformer({ text_cfg, embed_dim }: ModelConfig, widths: Widths): StageSize[] {
  const { context_length: tokens, vocab_size, width, heads, layers, mlp_ratio } = text_cfg;
  const embedding: StageSize = {
    parameters: (vocab_size + tokens) * width,
    matrices: 0,
    products: 0,
    largest: vocab_size * width,
    input: 0,
    kept: 8 * tokens, // the token ids
    passing: 2 * widths.full * tokens * width,
  };
  const mlp = Math.trunc(width * mlp_ratio);
  return transformer({ embedding, layers, tokens, width, heads, mlp, embed_dim, number: widths.full }, widths);
}

interface TransformerShape {
  readonly embedding: StageSize;
  readonly layers: number;
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
  /** Width of the perceptron's hidden layer. */
  readonly mlp: number;
  readonly embed_dim: number;
  /** Bytes of a number in the residual stream. */
  readonly number: number;
}

/** The last block works on the one token that the features are read at; its keys and values still are all tokens'. */
function transformer({ embedding, layers, number, ...shape }: TransformerShape, { full, half }: Widths): StageSize[] {
  const { tokens, width, heads, mlp, embed_dim } = shape;
  const matrices = 4 * width ** 2 + 2 * width * mlp;
  const largest = width * Math.max(3 * width, mlp);
  const parameters = matrices + 9 * width + mlp; // the biases, and the gains and biases of two norms
  const stream = number * tokens * width;
  const computed = half * tokens * width;
  const statistics = 4 * tokens * 4;
  // Scores of a sample in float32 and what is computed of them there, and the same as products read it (src/nn/heads.ts).
  const scores = heads * tokens ** 2 * (3 * full + 2 * half);
  const block: StageSize = {
    parameters,
    matrices: 0,
    products: matrices,
    largest,
    input: stream,
    // What both norms read; queries, keys and values; the perceptron's hidden layer.
    kept: 2 * stream + 3 * computed + half * tokens * mlp + statistics,
    passing: 2 * stream + computed + Math.max(9 * computed + scores, 3 * half * tokens * mlp),
  };
  const last: StageSize = {
    parameters: parameters + 2 * width,
    matrices,
    products: matrices,
    largest,
    input: stream,
    // What the norm reads and gave, and keys and values, which the kernel reads in full; all else is of one token.
    kept: stream + (half === full ? 1 : 2) * computed + 2 * full * tokens * width + statistics,
    passing: stream + 2 * computed,
  };
  const projection: StageSize = {
    parameters: width * embed_dim,
    matrices: width * embed_dim,
    products: width * embed_dim,
    largest: width * embed_dim,
    input: full * width,
    kept: full * width + half * width,
    passing: full * embed_dim,
  };
  return [embedding, ...new Array<StageSize>(layers - 1).fill(block), last, projection];
}

function resNet({ vision_cfg, embed_dim }: ModelConfig, widths: Widths): StageSize[] {
  const { image_size, width, head_width } = vision_cfg;
  const layers = vision_cfg.layers as readonly number[];
  let [side, channels] = [image_size / 4, width];
  const blocks = layers.flatMap((count, i) =>
    Array.from({ length: count }, (_, j) => {
      const [before, stride] = [{ side, channels }, i > 0 && j === 0 ? 2 : 1];
      [side, channels] = [side / stride, 4 * width * 2 ** i];
      return bottleneck({ before, after: { side, channels }, narrow: width * 2 ** i }, widths);
    }),
  );
  const pool = attentionPool({ side, width: channels, heads: channels / head_width, embed_dim }, widths);
  return [stem(image_size, width, widths), ...blocks, pool];
}

function stem(imageSize: number, width: number, { full, half }: Widths): StageSize {
  const narrow = width / 2;
  const places = (imageSize / 2) ** 2;
  const pixels = 3 * imageSize ** 2;
  const matrices = 9 * (3 * narrow + narrow ** 2 + narrow * width);
  return {
    parameters: matrices + 2 * (2 * narrow + width),
    matrices,
    products: matrices,
    largest: 9 * narrow * width,
    input: 0,
    // The picture, and of three convolutions what their norm reads and what the next one does (which the kernel for batch norms makes again).
    kept: half * (pixels + 2 * places * (2 * narrow + width)),
    passing: full * pixels + half * 2 * places * width,
  };
}

interface Plane {
  readonly side: number;
  readonly channels: number;
}

function bottleneck(
  { before, after, narrow }: { before: Plane; after: Plane; narrow: number },
  { half }: Widths,
): StageSize {
  const sizeOf = ({ side, channels }: Plane): number => channels * side ** 2;
  const hasShortcut = before.side !== after.side || before.channels !== after.channels;
  const pooled = before.side === after.side ? 0 : (narrow + before.channels) * after.side ** 2;
  const wide = hasShortcut ? 2 : 1;
  const shortcut = hasShortcut ? before.channels * after.channels : 0;
  const matrices = before.channels * narrow + 9 * narrow ** 2 + narrow * after.channels + shortcut;
  return {
    parameters: matrices + 2 * (2 * narrow + wide * after.channels),
    matrices,
    products: matrices,
    largest: Math.max(9 * narrow ** 2, before.channels * after.channels),
    input: half * sizeOf(before),
    // Of two narrow convolutions what their norm reads and, as in the stem, what the next one does; of the wide ones what their norm reads.
    kept: half * (sizeOf(before) + 4 * narrow * before.side ** 2 + pooled + wide * sizeOf(after)),
    passing: half * 2 * (sizeOf(before) + sizeOf(after)),
  };
}

function attentionPool(
  { side, width, heads, embed_dim }: { side: number; width: number; heads: number; embed_dim: number },
  { full, half }: Widths,
): StageSize {
  const tokens = side ** 2 + 1;
  const matrices = 3 * width ** 2 + width * embed_dim;
  return {
    parameters: matrices + tokens * width + 3 * width + embed_dim,
    matrices,
    products: matrices,
    largest: width ** 2,
    input: half * side ** 2 * width,
    kept: half * (side ** 2 * width + 2 * tokens * width + 4 * heads * width) + full * 4 * width,
    passing: full * 2 * tokens * width + half * 2 * heads * width,
  };
}
