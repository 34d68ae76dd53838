import { openPicture } from "./image/decode.ts";
import { PictureError } from "./image/pixels.ts";
import type { Picture } from "./image/resample.ts";
import { createRandom } from "./random.ts";
import type { SampleReader } from "./samples.ts";

/** A sample as training takes it. */
export interface ReadSample {
  /** The bytes of the picture's file. */
  readonly file: Buffer;
  /** @throws SampleError when it is resampled, where its pixels turn out to be damaged only then. */
  readonly picture: Picture;
  /** At least one. @throws SampleError where there is none, or it is damaged. */
  captions(): readonly string[];
}

/** Reads a sample and opens its picture. @throws SampleError where it is damaged. */
export async function readSample(reader: SampleReader, id: number): Promise<ReadSample> {
  const { image: file, captions } = await reader.sample(id);
  const named = (error: unknown): unknown =>
    error instanceof PictureError ? reader.pictureError(id, error.message) : error;
  const picture = await openPicture(file).catch((error: unknown) => {
    throw named(error);
  });
  const resample: Picture["resample"] = (resize) => {
    try {
      return picture.resample(resize);
    } catch (error) {
      throw named(error);
    }
  };
  return { file, captions, picture: { ...picture, resample } };
}

/** Sets the choice of a caption apart from the augmentation of the picture. */
const ofCaptions = 1;

/** Of several captions another one every epoch, each equally often. */
export function chooseCaption(
  captions: readonly string[],
  { seed, epoch, id }: { seed: number; epoch: number; id: number },
): string {
  if (captions.length === 1) return captions[0]!;
  const random = createRandom([seed, epoch, id, ofCaptions]);
  return captions[Math.floor(random() * captions.length)]!;
}
