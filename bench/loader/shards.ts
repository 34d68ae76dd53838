// Shards for the benchmark: pictures as training meets them, made from a seed.
import { join } from "node:path";
import sharp from "sharp";
import { createRandom } from "../../src/data/random.ts";
import { type TarEntry, writeTar } from "../../src/data/tar/write.ts";
import { captionMaker } from "../captions.ts";

/** A kind of pictures, and the model's input that they become. */
export interface PictureSet {
  readonly name: "photographs" | "drawings";
  readonly extension: "jpg" | "png";
  readonly imageSize: number;
  /** In a turn: some seconds for the slower side. */
  readonly batches: number;
  make(seed: number): Promise<Buffer>;
}

export const pictureSets: readonly PictureSet[] = [
  // As img2dataset leaves them for LAION: the larger edge 512 pixels, here with some 60 KB each.
  { name: "photographs", extension: "jpg", imageSize: 224, batches: 15, make: photograph },
  // As the demonstration data has them.
  { name: "drawings", extension: "png", imageSize: 64, batches: 120, make: drawing },
];

const shardCount = 4;
const samplesPerShard = 512;
/** Pictures that differ; each comes several times, with another caption. */
const distinct = 128;

/** Writes the shards of a set into `folder`; returns a pattern for them and one in OpenCLIP's braces. */
export async function writeBenchShards(set: PictureSet, folder: string): Promise<{ pattern: string; braces: string }> {
  const files: Buffer[] = [];
  for (let seed = 0; seed < distinct; seed++) files.push(await set.make(seed));
  const captions = captionMaker(1).common(shardCount * samplesPerShard);
  for (let shard = 0; shard < shardCount; shard++) {
    const entries: TarEntry[] = [];
    for (let i = 0; i < samplesPerShard; i++) {
      const id = shard * samplesPerShard + i;
      const key = String(id).padStart(6, "0");
      entries.push({ name: `${key}.${set.extension}`, data: files[id % distinct]! });
      entries.push({ name: `${key}.txt`, data: Buffer.from(captions[id]!) });
    }
    await writeTar(join(folder, `${set.name}-${shard}.tar`), entries);
  }
  return {
    pattern: join(folder, `${set.name}-*.tar`),
    braces: join(folder, `${set.name}-{0..${shardCount - 1}}.tar`),
  };
}

/** Large slopes, forms of middle size and a camera's noise: 512 x 384, quality 90. */
async function photograph(seed: number): Promise<Buffer> {
  const [width, height] = [512, 384];
  const random = createRandom([seed]);
  const forms = async (across: number, down: number): Promise<Buffer> =>
    sharp(
      Uint8Array.from({ length: across * down * 3 }, () => random() * 256),
      {
        raw: { width: across, height: down, channels: 3 },
      },
    )
      .resize(width, height, { kernel: "cubic" })
      .raw()
      .toBuffer();
  const [slopes, middle] = [await forms(16, 12), await forms(128, 96)];
  const data = Uint8ClampedArray.from(slopes, (level, i) => 0.7 * level + 0.3 * middle[i]! + 16 * (random() - 0.5));
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** A few coloured forms on white: 72 x 72. */
async function drawing(seed: number): Promise<Buffer> {
  const random = createRandom([seed]);
  const number = (end: number): number => Math.floor(random() * end);
  const circle = (): string =>
    `<circle cx="${number(72)}" cy="${number(72)}" r="${4 + number(28)}" fill="hsl(${number(360)} 80% 50%)"/>`;
  const svg = `<svg width="72" height="72"><rect width="72" height="72" fill="white"/>${Array.from({ length: 6 }, circle).join("")}</svg>`;
  return sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
}
