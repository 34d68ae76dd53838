import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type TarEntry, writeTar } from "../tar/write.ts";
import { caption } from "./captions.ts";
import { hashOf, shuffled } from "./hash.ts";
import type { Picture } from "./pictures.ts";
import { inFlight, renderPng } from "./render.ts";

export interface ShardSettings {
  size: number;
  shardSize: number;
  seed: number;
}

/** One split as it lies on the disk. The pattern is a brace pattern of WebDataset, relative to the data set's folder. */
export interface Split {
  pattern: string;
  samples: number;
  shards: { name: string; samples: number; bytes: number }[];
}

/**
 * Renders the pictures and writes them in shards named `<name>-000000.tar` on, in an order that depends only on the
 * seed and the samples' keys.
 */
export async function writeShards(
  pictures: readonly Picture[],
  options: ShardSettings & { directory: string; name: string; concurrency: number; onProgress: (line: string) => void },
): Promise<Split> {
  const { directory, name, seed, shardSize } = options;
  const ordered = shuffled(pictures, ({ key }) => hashOf("order", seed, key));
  const count = Math.ceil(ordered.length / shardSize);
  const split: Split = { pattern: pattern(name, count), samples: ordered.length, shards: [] };
  const started = performance.now();
  for (let index = 0; index < count; index++) {
    const part = ordered.slice(index * shardSize, (index + 1) * shardSize);
    const shard = `${name}-${sixDigits(index)}.tar`;
    await writeTar(join(directory, shard), entries(part, options));
    split.shards.push({ name: shard, samples: part.length, bytes: (await stat(join(directory, shard))).size });
    const done = index * shardSize + part.length;
    const rate = done / ((performance.now() - started) / 1000);
    options.onProgress(`${shard}: ${done} of ${ordered.length} pictures, ${rate.toFixed(0)} a second`);
  }
  return split;
}

async function* entries(
  pictures: readonly Picture[],
  { size, seed, concurrency }: { size: number; seed: number; concurrency: number },
): AsyncGenerator<TarEntry> {
  const rendered = inFlight(pictures, {
    limit: concurrency,
    map: async (picture) => ({ picture, png: await render(picture, size) }),
  });
  for await (const { picture, png } of rendered) {
    const { key, style, license, concept } = picture;
    yield { name: `${key}.png`, data: png };
    yield { name: `${key}.txt`, data: Buffer.from(caption(concept, { style, seed })) };
    const { name, tags, class: index, heldOut } = concept;
    const about = { concept: concept.key, class: index, name, tags, style, license, heldOutConcept: heldOut };
    yield { name: `${key}.json`, data: Buffer.from(JSON.stringify({ ...about, width: size, height: size })) };
  }
}

async function render({ key, drawing }: Picture, size: number): Promise<Buffer> {
  try {
    return await renderPng(drawing, size);
  } catch (error) {
    throw new Error(`${key} could not be rendered: ${(error as Error).message.trim()}`);
  }
}

/** `{000000..000011}`, or the plain name where there is only one shard. */
function pattern(name: string, count: number): string {
  return count === 1 ? `${name}-000000.tar` : `${name}-{000000..${sixDigits(Math.max(0, count - 1))}}.tar`;
}

function sixDigits(index: number): string {
  return String(index).padStart(6, "0");
}
