// A data set as features: every picture and caption of it, encoded in the order of their ids.
import { ProcessGroup } from "../distributed/process-group.ts";
import type { Tensor } from "../tensor/index.ts";
import { encodeTexts, inEvalMode } from "./encode.ts";
import { encodePictures, nameSample, type PictureOptions, type Pictures } from "./pictures.ts";

/** How far this process is with its part of an evaluation. */
interface Progress {
  readonly stage: "pictures" | "captions" | "class names";
  readonly done: number;
  readonly total: number;
}

export interface FeatureOptions extends PictureOptions {
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
  /** Whether captions are encoded; default true. */
  captions?: boolean;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Features of the N samples that could be read, by ascending id. Whoever asked for them frees them. */
export interface Features {
  /** [N] */
  readonly ids: readonly number[];
  /** [N, d], float32, unit norm. */
  readonly images: Tensor;
  /** [N, d], float32, unit norm; absent when captions were not asked for. */
  readonly texts: Tensor | undefined;
}

/**
 * Encodes a data set in evaluation mode and without gradient; the model's mode is put back. The order is that of the ids,
 * whatever the number of threads and processes; damaged samples are left out.
 */
export async function encodeDataset(options: FeatureOptions): Promise<Features> {
  const { model, captions = true, group = ProcessGroup.alone(), onProgress } = options;
  return inEvalMode(model, async () => {
    group.phase = "evaluation: pictures";
    const report = (done: number, total: number): void => onProgress?.({ stage: "pictures", done, total });
    const pictures = await encodePictures({ ...options, group, onProgress: report });
    const { ids, images } = pictures;
    try {
      group.phase = "evaluation: captions";
      return { ids, images, texts: captions ? await encodeCaptions(pictures, options) : undefined };
    } catch (error) {
      images.free();
      throw error;
    }
  });
}

async function encodeCaptions({ ids, tokens }: Pictures, options: FeatureOptions): Promise<Tensor> {
  const { dataset, onProgress } = options;
  return encodeTexts({
    ...options,
    tokens,
    name: (row) => nameSample(dataset, ids[row]!, "caption"),
    onProgress: (done) => onProgress?.({ stage: "captions", done, total: ids.length }),
  });
}
