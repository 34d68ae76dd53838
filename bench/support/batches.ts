// Batches of a seed in files that both sides read: random pictures, and captions of the vocabulary's words.
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTokenizer } from "../../src/data/tokenizer/tokenizer.ts";
import type { ModelConfig } from "../../src/models/index.ts";
import { manualSeed, randn, scope } from "../../src/tensor/index.ts";
import type { Pairs } from "../../src/train/overfit-batch.ts";
import { captionMaker } from "../captions.ts";

/** "short" captions are 4 to 19 English words, as on the web; "full" ones fill all positions of the text tower. */
export type Captions = (typeof captionKinds)[number];
export const captionKinds = ["short", "full"] as const;

interface Shape {
  readonly count: number;
  readonly batchSize: number;
  readonly imageSize: number;
  readonly contextLength: number;
}

export interface BatchOptions {
  readonly model: ModelConfig;
  readonly count: number;
  readonly batchSize: number;
  readonly captions: Captions;
}

const files = { shape: "batches.json", model: "bench-model.json", images: "images.f32", tokens: "tokens.i32" };
const seed = 1;

/** Writes the batches and the model's configuration into the folder. */
export function writeBatches(folder: string, { model, count, batchSize, captions }: BatchOptions): void {
  const { image_size: imageSize } = model.vision_cfg;
  const { context_length: contextLength } = model.text_cfg;
  const shape: Shape = { count, batchSize, imageSize, contextLength };
  const pairs = count * batchSize;
  writeFileSync(join(folder, files.shape), JSON.stringify(shape));
  writeFileSync(join(folder, files.model), JSON.stringify(model));
  const pictures = scope(() => {
    manualSeed(seed);
    return randn([pairs, 3, imageSize, imageSize]).data();
  });
  writeFileSync(join(folder, files.images), pictures);
  const tokenizer = createTokenizer({ contextLength });
  const tokens = new Int32Array(pairs * contextLength);
  for (const [row, text] of captionsOf(captions, { pairs, contextLength }).entries())
    tokenizer.encodeInto(text, tokens.subarray(row * contextLength, (row + 1) * contextLength));
  writeFileSync(join(folder, files.tokens), tokens);
}

function captionsOf(captions: Captions, { pairs, contextLength }: { pairs: number; contextLength: number }): string[] {
  const maker = captionMaker(seed);
  if (captions === "short") return maker.common(pairs);
  // A caption has at least 4 words.
  return Array.from({ length: pairs }, () => maker.common(Math.ceil(contextLength / 4)).join(" "));
}

/** The batches of the folder; ids count from 0. */
export function readBatches(folder: string): Pairs[] {
  const { count, batchSize, imageSize, contextLength } = JSON.parse(
    readFileSync(join(folder, files.shape), "utf8"),
  ) as Shape;
  const images = openSync(join(folder, files.images), "r");
  const tokens = openSync(join(folder, files.tokens), "r");
  try {
    return Array.from({ length: count }, (_, n) => ({
      images: readPart(images, new Float32Array(batchSize * 3 * imageSize ** 2), n),
      tokens: readPart(tokens, new Int32Array(batchSize * contextLength), n),
      ids: BigInt64Array.from({ length: batchSize }, (_, i) => BigInt(n * batchSize + i)),
      size: batchSize,
    }));
  } finally {
    closeSync(images);
    closeSync(tokens);
  }
}

/** Fills the array with the `n`th part of its length; no second copy is made, which would stand in the memory that is measured. */
function readPart<T extends Float32Array | Int32Array>(file: number, into: T, n: number): T {
  readSync(file, into, 0, into.byteLength, n * into.byteLength);
  return into;
}
