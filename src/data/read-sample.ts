import { decodeImage } from "./image/decode.ts";
import type { Pixels } from "./image/pixels.ts";
import { createRandom } from "./random.ts";
import type { SampleReader } from "./samples.ts";

/** A sample as training takes it. */
export interface ReadSample {
  /** The bytes of the picture's file, and what they show. */
  readonly file: Buffer;
  readonly pixels: Pixels;
  /** At least one. @throws SampleError where there is none, or it is damaged. */
  captions(): readonly string[];
}

/** Reads a sample and decodes its picture. @throws SampleError where it is damaged. */
export async function readSample(reader: SampleReader, id: number): Promise<ReadSample> {
  const { image: file, captions } = await reader.sample(id);
  const pixels = await decodeImage(file).catch((error: Error) => {
    throw reader.pictureError(id, error.message);
  });
  return { file, pixels, captions };
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
