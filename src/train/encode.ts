// From a batch in shared memory to unit-norm features.
import type { Batch } from "../data/loader/loader.ts";
import { fromBuffer, type Tensor } from "../tensor/index.ts";

/** The arithmetic of the towers. */
export type Precision = "fp32" | "amp_bf16";

/** What a step takes of a batch: pictures [b, 3, S, S], token ids [b, tokens] and the pairs' positions in the data set [b]. */
export interface Inputs {
  readonly images: Tensor;
  readonly tokens: Tensor;
  readonly ids: Tensor;
}

export interface InputShape {
  /** Side of the pictures. */
  readonly imageSize: number;
  /** Texts have a multiple of so many tokens: few different shapes occur, and memory is used again. */
  readonly textMultiple: number;
}

/** Wraps a batch's memory as tensors, without a copy. They are valid until the batch is released. */
export function inputsOf(batch: Pick<Batch, keyof Inputs | "size">, { imageSize, textMultiple }: InputShape): Inputs {
  const contextLength = batch.tokens.length / batch.size;
  const tokens = fromBuffer(batch.tokens, { shape: [batch.size, contextLength] });
  return {
    images: fromBuffer(batch.images, { shape: [batch.size, 3, imageSize, imageSize] }),
    tokens: tokens.narrow(1, 0, textLength(batch.tokens, { contextLength, textMultiple })),
    ids: fromBuffer(batch.ids),
  };
}

/** Columns that hold a token in some row: what lies behind a text's end changes nothing, so it is left out. */
function textLength(
  tokens: Int32Array,
  { contextLength, textMultiple }: { contextLength: number; textMultiple: number },
): number {
  let longest = 1;
  for (let row = 0; row < tokens.length; row += contextLength) {
    let width = contextLength;
    while (width > longest && tokens[row + width - 1] === 0) width--;
    longest = Math.max(longest, width);
  }
  return Math.min(contextLength, Math.ceil(longest / textMultiple) * textMultiple);
}

/** Rows divided by their 2-norm, in float32; torch.nn.functional.normalize's floor of 1e-12 keeps a zero row finite. */
export function unitNorm(features: Tensor): Tensor {
  const precise = features.to("float32");
  return precise.div(precise.norm({ dim: [1], keepdim: true }).clamp({ min: 1e-12 }));
}
