// Packs of Parquet files and of shards, and packs that are killed.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { beforeEach, expect, test } from "vitest";
import { type DatasetOptions, openDataset } from "../dataset.ts";
import { picture, sampleEntries, temporaryFolder, writeShards } from "../shards.fixture.ts";
import { writeTar } from "../tar/write.ts";
import { openPackSource } from "./open-source.ts";
import { type Packed, type PackOptions, pack } from "./pack.ts";

const hub = join(import.meta.dirname, "../fixtures/hub.parquet");

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

async function packed(source: string, options: Partial<PackOptions> = {}): Promise<Packed & { messages: string[] }> {
  const messages: string[] = [];
  const onFault = ({ message }: { message: string }) => void messages.push(message);
  const standard = { directory: join(folder, "out"), name: "train", shardSize: 4, maxBadRate: 0.01, onFault };
  return { ...(await pack(await openPackSource(source, {}), { ...standard, ...options })), messages };
}

type Sample = Awaited<ReturnType<Awaited<ReturnType<typeof openDataset>>["readSample"]>>;

async function samplesOf(pattern: string, options: Partial<DatasetOptions> = {}): Promise<Sample[]> {
  const dataset = await openDataset({ shards: pattern, ...options });
  const samples = await Promise.all(Array.from({ length: dataset.size }, (_, id) => dataset.readSample(id)));
  dataset.close();
  return samples;
}

function shardsIn(name: string): Record<string, string> {
  const files = readdirSync(join(folder, name)).filter((file) => file.endsWith(".tar"));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, name, file), "hex")]));
}

async function writeParquet(name: string, start: number): Promise<void> {
  const rows = Array.from({ length: 5 }, (_, i) => start + i);
  mkdirSync(join(folder, "in"), { recursive: true });
  parquetWriteFile({
    filename: join(folder, "in", name),
    columnData: [
      { name: "image", data: await Promise.all(rows.map((row) => picture(row))), type: "BYTE_ARRAY" },
      { name: "text", data: rows.map((row) => `row ${row}`), type: "STRING" },
    ],
    rowGroupSize: 2,
  });
}

test("a Parquet file of the hub: pictures' endings from their bytes, all captions, all columns", async () => {
  const { pattern, messages, samples } = await packed(hub);
  expect(messages).toEqual([
    "hub.parquet:4: there is no caption; skipped (1 of 4 so far)",
    "hub.parquet:6: no picture is named; skipped (2 of 6 so far)",
  ]);
  const all = await samplesOf(pattern);
  expect(samples).toBe(all.length);
  expect(all.map(({ extension, captions }) => [extension, captions])).toEqual([
    ["png", ["a circle"]],
    ["jpg", ["a square"]],
    ["webp", ["größe"]],
    ["png", ["a star"]],
  ]);
  expect(all[0]!.json).toMatchObject({
    ...{ source: "hub.parquet:1", file: "0.png", captions: ["a circle", "a round shape"], license: "CC0", views: 1 },
  });
  const both = await samplesOf(pattern, { captionKey: "captions" });
  expect(both[0]!.captions).toEqual(["a circle", "a round shape"]);
});

test("several Parquet files are one source, with the licences beside them", async () => {
  for (const [name, start] of [["b.parquet", 5] as const, ["a.parquet", 0] as const]) await writeParquet(name, start);
  writeFileSync(join(folder, "in/LICENSE.md"), "CC0");
  const { pattern, shards } = await packed(join(folder, "in/*.parquet"));
  const all = await samplesOf(pattern);
  expect(all.map(({ captions }) => captions[0])).toEqual(Array.from({ length: 10 }, (_, row) => `row ${row}`));
  expect(all[7]!.image).toEqual(await picture(7));
  expect(all[7]!.json).toMatchObject({ source: "b.parquet:3" });
  expect(shards).toHaveLength(3);
  expect(readFileSync(join(folder, "out/LICENSE.md"), "utf8")).toBe("CC0");
});

test("a row's own `source` is kept, whatever else is known of it", async () => {
  writeFileSync(join(folder, "a.png"), await picture(1));
  writeFileSync(join(folder, "in.jsonl"), '{"image":"a.png","text":"a","source":"flickr","id":7}\n');
  const [sample] = await samplesOf((await packed(join(folder, "in.jsonl"))).pattern);
  expect(sample!.json).toEqual({ source: "flickr", id: 7, captions: ["a"] });
});

test("shards are cut anew; what is no sample in them is named", async () => {
  const shards = await writeShards({
    ...{ folder, count: 2, samples: 5 },
    change: (entries, seed) => (seed === 3 ? entries.filter(({ name }) => !name.endsWith(".png")) : entries),
  });
  const { pattern, messages, samples } = await packed(shards, { shardSize: 3 });
  expect(samples).toBe(9);
  expect(messages).toEqual([
    expect.stringMatching(/^shard-0\.tar: 000003 has no picture .*; skipped \(1 of 3 so far\)/),
  ]);
  const all = await samplesOf(pattern);
  expect(all.map(({ captions }) => captions[0])).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9].map((i) => `caption number ${i}`));
  expect(all[3]!.json).toEqual({
    ...{ source: "shard-0.tar:000004", seed: 4, caption: "json caption 4", captions: ["caption number 4"] },
  });
  // Packed again, nothing is lost or doubled.
  const again = await packed(pattern, { directory: join(folder, "again") });
  expect((await samplesOf(again.pattern)).map(({ json }) => json)).toEqual(all.map(({ json }) => json));
});

test("shards whose captions are in their JSON", async () => {
  const entries = (await sampleEntries("a", 1)).filter(({ name }) => !name.endsWith(".txt"));
  await writeTar(join(folder, "a.tar"), entries);
  const source = await openPackSource(join(folder, "a.tar"), { captionColumn: "caption" });
  const { pattern } = await pack(source, { directory: join(folder, "out"), name: "a", shardSize: 4, maxBadRate: 0 });
  expect((await samplesOf(pattern))[0]!.captions).toEqual(["json caption 1"]);
});

test("a pack that is killed goes on, and comes to the same bytes", async () => {
  for (let i = 0; i < 4; i++) await writeParquet(`${i}.parquet`, 5 * i);
  const source = join(folder, "in/*.parquet");
  await packed(source, { directory: join(folder, "whole"), shardSize: 3 });
  const options = { directory: join(folder, "out"), name: "train", shardSize: 3, maxBadRate: 0.01 };
  const program = `
    import { openPackSource } from ${JSON.stringify(join(import.meta.dirname, "open-source.ts"))};
    import { pack } from ${JSON.stringify(join(import.meta.dirname, "pack.ts"))};
    const onProgress = ({ shards }) => shards === 3 && process.kill(process.pid, "SIGKILL");
    await pack(await openPackSource(${JSON.stringify(source)}, {}), { ...${JSON.stringify(options)}, onProgress });`;
  const root = resolve(import.meta.dirname, "../../..");
  const run = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], { cwd: root });
  expect(run.signal).toBe("SIGKILL");
  expect(Object.keys(shardsIn("out"))).toHaveLength(3);
  const { samples } = await packed(source, { shardSize: 3 });
  expect(samples).toBe(11);
  expect(shardsIn("out")).toEqual(shardsIn("whole"));
});
