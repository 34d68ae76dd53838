import { decodeImage } from "./image/decode.ts";
import type { Pixels } from "./image/pixels.ts";
import type { SampleReader } from "./samples.ts";

/** A sample's picture: the bytes of its file, and what they show. */
export interface Picture {
  readonly file: Buffer;
  readonly pixels: Pixels;
}

/** Reads and decodes a sample's picture. Throws SampleError when it is damaged. */
export async function readPicture(reader: SampleReader, id: number): Promise<Picture> {
  const file = await reader.image(id);
  const pixels = await decodeImage(file).catch((error: Error) => {
    throw reader.error(id, "bad-picture", `${reader.key(id)}.${reader.extension(id)} ${error.message}`);
  });
  return { file, pixels };
}
