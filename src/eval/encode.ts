// Features of unit norm from a model, batch by batch, in memory that does not grow with the number of batches.
import { gatherParts } from "../distributed/gather.ts";
import { ProcessGroup } from "../distributed/process-group.ts";
import { autocast, cat, empty, fromBuffer, noGrad, scope, type Tensor } from "../tensor/index.ts";
import { indexTensor } from "./index-tensor.ts";
import { traffic } from "./part.ts";

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

/** Makes one tensor of the batches' features, [0, 0] of none, and frees them; frees them also when making them fails. */
export async function collect(batches: AsyncIterable<Tensor>): Promise<Tensor> {
  const parts: Tensor[] = [];
  try {
    for await (const part of batches) parts.push(part);
    return parts.length === 0 ? empty([0, 0]) : cat(parts);
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
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
  /** Told how many of the M texts are done. */
  onProgress?: ((done: number) => void) | undefined;
}

/**
 * Features [M, d] of texts, float32 and of unit norm. Each different text is encoded once, so that equal texts get equal features
 * whatever the precision; texts of like length share a batch and are cut to the longest of it, which the model does not notice.
 * Batches are the same ones for any number of processes, and are dealt out in turns, since long ones take more time.
 */
export async function encodeTexts(options: TextOptions): Promise<Tensor> {
  const { tokens, contextLength, group = ProcessGroup.alone() } = options;
  const { rows, place } = distinctRows(tokens, contextLength);
  const batches = batchesByLength(rows, options);
  const hands = Array.from({ length: group.size }, (_, rank) => batches.filter((_, i) => i % group.size === rank));
  const part = () => collect(encodeBatches(hands[group.rank]!, options));
  const features = await gatherParts(group, { name: traffic, part });
  const order = hands.flat(2);
  const placeOfRow = new Map(order.map(({ row }, i) => [row, i]));
  const source = place.map((i) => placeOfRow.get(rows[i]!)!);
  try {
    return noGrad(() => scope(() => features.indexSelect(0, indexTensor(source, features.device))));
  } finally {
    features.free();
  }
}

/** A text by its row in the tokens. */
interface Text {
  readonly row: number;
  readonly length: number;
}

/** The shortest texts first. */
function batchesByLength(rows: readonly number[], { tokens, contextLength, batchSize }: TextOptions): Text[][] {
  const lengthOf = (row: number): number => textLength(tokens.subarray(row * contextLength, (row + 1) * contextLength));
  const texts = rows.map((row) => ({ row, length: lengthOf(row) })).sort((a, b) => a.length - b.length);
  return Array.from({ length: Math.ceil(texts.length / batchSize) }, (_, i) =>
    texts.slice(i * batchSize, (i + 1) * batchSize),
  );
}

async function* encodeBatches(batches: readonly Text[][], options: TextOptions): AsyncGenerator<Tensor> {
  const { model, tokens, contextLength, name, onProgress, device = "cpu" } = options;
  const total = batches.flat().length;
  let done = 0;
  for (const batch of batches) {
    const width = batch.at(-1)!.length;
    const ids = new Int32Array(batch.length * width);
    for (const [i, { row }] of batch.entries())
      ids.set(tokens.subarray(row * contextLength, row * contextLength + width), i * width);
    const encode = () => model.encodeText(fromBuffer(ids, { shape: [batch.length, width] }).toDevice(device, "int32"));
    yield unitFeatures(encode, { compute: options, name: (i) => name(batch[i]!.row) });
    done += batch.length;
    onProgress?.(Math.round((done / total) * (tokens.length / contextLength)));
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
