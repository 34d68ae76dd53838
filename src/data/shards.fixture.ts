// Small shards for tests.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll } from "vitest";
import { type TarEntry, writeTar } from "./tar/write.ts";

const folders: string[] = [];

// Counts for the test file that imports this one.
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder that goes when the test file is through. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-data-"));
  folders.push(folder);
  return folder;
}

/** A PNG of size x size whose colours depend on `seed`. */
export async function picture(seed: number, size = 12): Promise<Buffer> {
  const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * (seed + 3) + seed * 29) % 256);
  return sharp(data, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}

/** The entries of one whole sample. */
export async function sampleEntries(key: string, seed: number): Promise<TarEntry[]> {
  return [
    { name: `${key}.png`, data: await picture(seed) },
    { name: `${key}.txt`, data: Buffer.from(`caption number ${seed}`) },
    { name: `${key}.json`, data: Buffer.from(JSON.stringify({ seed, caption: `json caption ${seed}` })) },
  ];
}

/** Writes `count` shards of `samples` samples each into `folder`; `change` may spoil the entries of a sample. Returns a pattern for them. */
export async function writeShards(options: {
  folder: string;
  count: number;
  samples: number;
  change?: (entries: TarEntry[], seed: number) => TarEntry[];
}): Promise<string> {
  const { folder, count, samples, change = (entries) => entries } = options;
  for (let shard = 0; shard < count; shard++) {
    const entries: TarEntry[] = [];
    for (let i = 0; i < samples; i++) {
      const seed = shard * samples + i;
      entries.push(...change(await sampleEntries(String(seed).padStart(6, "0"), seed), seed));
    }
    await writeTar(join(folder, `shard-${shard}.tar`), entries);
  }
  return join(folder, "shard-*.tar");
}
