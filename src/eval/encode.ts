// Features of unit norm from a model, batch by batch, in memory that does not grow with the number of batches.
import { autocast, cat, fromBuffer, noGrad, scope, type Tensor } from "../tensor/index.ts";
import { indexTensor } from "./index-tensor.ts";

/** What evaluation asks of a model; CLIP is one. */
export interface Encoder {
  readonly training: boolean;
  train(training?: boolean): unknown;
  /** Pictures [B, 3, size, size] -> features [B, d]. */
  encodeImage(images: Tensor): Tensor;
  /** Token ids [B, up to the context length], int32 -> features [B, d]. */
  encodeText(tokens: Tensor): Tensor;
}

/** Where and how a model computes. */
export interface Compute {
  /** The device of the model's parameters, "cpu" by default. */
  device?: string | undefined;
  /** Default fp32. */
  precision?: "fp32" | "amp_bf16" | undefined;
}

/** Runs `body` with the model in evaluation mode, so that batch norm learns nothing from what it sees; then puts the mode back. */
export async function inEvalMode<T>(model: Encoder, body: () => Promise<T>): Promise<T> {
  const before = model.training;
  model.train(false);
  try {
    return await body();
  } finally {
    model.train(before);
  }
}

/** Features [B, d] of one batch, float32 and of unit norm, computed without gradient and in the precision asked for. */
export function unitFeatures(
  encode: () => Tensor,
  options: { compute: Compute; name: (row: number) => string },
): Tensor {
  return noGrad(() => scope(() => unitNorm(inPrecision(options.compute, encode).to("float32"), options.name)));
}

/**
 * [B, d] with each row divided by its norm.
 *
 * @throws when a number is not finite or a row is all zero: such a model would get figures that look like real ones.
 */
export function unitNorm(features: Tensor, name: (row: number) => string): Tensor {
  const norms = features.norm({ dim: [1], keepdim: true });
  const values = norms.toArray();
  const bad = values.findIndex((norm) => !(norm > 0 && norm < Infinity));
  if (bad >= 0)
    throw new Error(
      `the features of ${name(bad)} have the norm ${values[bad]}; expected finite numbers that are not all zero`,
    );
  return features.div(norms);
}

function inPrecision({ device = "cpu", precision = "fp32" }: Compute, encode: () => Tensor): Tensor {
  if (precision === "fp32") return encode();
  return autocast({ device: device.startsWith("cuda") ? "cuda" : "cpu", dtype: "bfloat16" }, encode);
}

/** Makes one tensor of the batches' features and frees them; frees them also when making them fails. */
export async function collect(batches: AsyncIterable<Tensor>): Promise<Tensor> {
  const parts: Tensor[] = [];
  try {
    for await (const part of batches) parts.push(part);
    return cat(parts);
  } finally {
    for (const part of parts) part.free();
  }
}

export interface TextOptions extends Compute {
  model: Encoder;
  /** [M, contextLength]: ids padded with 0 behind the end of the text. */
  tokens: Int32Array;
  contextLength: number;
  batchSize: number;
  /** What to call row i in an error. */
  name: (row: number) => string;
  /** Told how many of the M texts are done. */
  onProgress?: ((done: number) => void) | undefined;
}

/**
 * Features [M, d] of texts, float32 and of unit norm. Each different text is encoded once, so that equal texts get equal features
 * whatever the precision; texts of like length share a batch and are cut to the longest of it, which the model does not notice.
 */
export async function encodeTexts(options: TextOptions): Promise<Tensor> {
  const { tokens, contextLength } = options;
  const { rows, place } = distinctRows(tokens, contextLength);
  const lengths = rows.map((row) => textLength(tokens.subarray(row * contextLength, (row + 1) * contextLength)));
  const order = rows.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]!);
  const sorted = order.map((i) => ({ row: rows[i]!, length: lengths[i]! }));
  const features = await collect(textBatches(sorted, options));
  const placeInOrder = new Int32Array(order.length);
  for (const [position, i] of order.entries()) placeInOrder[i] = position;
  try {
    return noGrad(() =>
      scope(() =>
        features.indexSelect(
          0,
          indexTensor(
            place.map((i) => placeInOrder[i]!),
            features.device,
          ),
        ),
      ),
    );
  } finally {
    features.free();
  }
}

async function* textBatches(
  texts: readonly { row: number; length: number }[],
  options: TextOptions,
): AsyncGenerator<Tensor> {
  const { model, tokens, contextLength, batchSize, name, onProgress, device = "cpu" } = options;
  for (let start = 0; start < texts.length; start += batchSize) {
    const part = texts.slice(start, start + batchSize);
    const width = part.at(-1)!.length;
    const ids = new Int32Array(part.length * width);
    for (const [i, { row }] of part.entries())
      ids.set(tokens.subarray(row * contextLength, row * contextLength + width), i * width);
    const encode = () => model.encodeText(fromBuffer(ids, { shape: [part.length, width] }).toDevice(device, "int32"));
    yield unitFeatures(encode, { compute: options, name: (i) => name(part[i]!.row) });
    onProgress?.(Math.round(((start + part.length) / texts.length) * (tokens.length / contextLength)));
    // Lets the process answer signals and messages between batches.
    await new Promise(setImmediate);
  }
}

/** The first row of each different text, and for every row the place of its text among them. */
function distinctRows(tokens: Int32Array, contextLength: number): { rows: number[]; place: Int32Array } {
  const rows: number[] = [];
  const placeOf = new Map<string, number>();
  const place = Int32Array.from({ length: tokens.length / contextLength }, (_, row) => {
    const key = rowKey(tokens.subarray(row * contextLength, (row + 1) * contextLength));
    const known = placeOf.get(key);
    if (known !== undefined) return known;
    placeOf.set(key, rows.length);
    return rows.push(row) - 1;
  });
  return { rows, place };
}

/** The same string for the same ids. */
export function rowKey(row: Int32Array): string {
  return Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString("latin1");
}

/** Ids up to the end of the text, which has the highest id and is never 0. */
function textLength(row: Int32Array): number {
  return Math.max(1, row.findLastIndex((id) => id !== 0) + 1);
}
