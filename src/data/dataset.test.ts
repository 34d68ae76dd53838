import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type DatasetOptions, openDataset } from "./dataset.ts";
import type { Fault } from "./faults.ts";
import { splitName } from "./members.ts";
import { picture, sampleEntries, temporaryFolder, writeShards } from "./shards.fixture.ts";
import { type TarEntry, writeTar } from "./tar/write.ts";

async function shardOf(entries: TarEntry[]): Promise<string> {
  const path = join(temporaryFolder(), "shard-00017.tar");
  await writeTar(path, entries);
  return path;
}

/** Opens a shard with one good sample and these entries; returns the good ones' keys and the faults. */
async function faultsOf(
  entries: TarEntry[],
  options: Partial<DatasetOptions> = {},
): Promise<{ keys: string[]; faults: string[] }> {
  const faults: string[] = [];
  const onFault = ({ cause, message }: Fault): number => faults.push(`${cause}: ${message}`);
  const shards = await shardOf([...(await sampleEntries("good", 1)), ...entries]);
  const dataset = await openDataset({ shards, onFault, ...options });
  const samples = await Promise.all(Array.from({ length: dataset.size }, (_, id) => dataset.readSample(id)));
  dataset.close();
  return { keys: samples.map(({ key }) => key), faults };
}

const text = (name: string, value = "a caption"): TarEntry => ({ name, data: Buffer.from(value) });
const image = async (name: string): Promise<TarEntry> => ({ name, data: await picture(2) });

test("ids follow the shards and the samples in them", async () => {
  const shards = await writeShards({ folder: temporaryFolder(), count: 3, samples: 4 });
  const dataset = await openDataset({ shards });
  expect(dataset.size).toBe(12);
  const sample = await dataset.readSample(9);
  expect(sample).toEqual({
    id: 9,
    key: "000009",
    shard: "shard-2.tar",
    image: await picture(9),
    extension: "png",
    captions: ["caption number 9"],
    json: { seed: 9, caption: "json caption 9" },
  });
  await expect(dataset.readSample(12)).rejects.toThrow("there is no sample 12: the data set holds ids 0 to 11");
  dataset.close();
});

test("the caption may come from the JSON", async () => {
  const shards = await shardOf([...(await sampleEntries("a", 5)), ...(await sampleEntries("b", 6))]);
  const dataset = await openDataset({ shards, captionKey: "caption" });
  expect((await dataset.readSample(1)).captions).toEqual(["json caption 6"]);
  dataset.close();
  const wrong = await openDataset({ shards, captionKey: "seed" });
  await expect(wrong.readSample(0)).rejects.toThrow(
    'shard-00017.tar: key "seed" of a.json is neither a text nor a list of texts',
  );
  wrong.close();
});

test("the fingerprint follows the data, not where it lies", async () => {
  const print = async (count: number, samples: number): Promise<string> => {
    const dataset = await openDataset({ shards: await writeShards({ folder: temporaryFolder(), count, samples }) });
    dataset.close();
    return dataset.fingerprint;
  };
  expect(await print(2, 3)).toBe(await print(2, 3));
  expect(await print(2, 3)).not.toBe(await print(3, 2));
  expect(await print(2, 3)).not.toBe(await print(2, 4));
});

test("keys are split as WebDataset does", () => {
  expect(splitName("a/b.c/000.Seg.PNG")).toEqual({ key: "a/b.c/000", extension: "seg.png" });
  expect(splitName("./7.txt")).toEqual({ key: "./7", extension: "txt" });
  expect(splitName("folder.d/none")).toBeUndefined();
  expect(splitName("a/.hidden")).toBeUndefined();
});

test("samples that are not whole are named, and the others kept", async () => {
  const broken = [
    await image("no-text.png"),
    text("no-image.txt"),
    { name: "empty.jpg", data: Buffer.alloc(0) },
    text("empty.txt"),
  ];
  const { keys, faults } = await faultsOf([...broken, await image("last.png"), text("last.txt")]);
  expect(keys).toEqual(["good", "last"]);
  expect(faults).toEqual([
    "no-caption: shard-00017.tar: no-text has no .txt; skipped (1 of 5 so far)",
    "no-picture: shard-00017.tar: no-image has no picture (txt); skipped (2 of 5 so far)",
    "no-picture: shard-00017.tar: empty.jpg is empty; skipped (3 of 5 so far)",
  ]);
});

test("an SVG is no picture", async () => {
  const { faults } = await faultsOf([text("drawing.svg", "<svg/>"), text("drawing.txt")]);
  expect(faults).toEqual([expect.stringContaining("drawing has no picture (svg, txt)")]);
});

test("a key that comes again is refused", async () => {
  const again = await sampleEntries("good", 3);
  const { keys, faults } = await faultsOf([await image("other.png"), text("other.txt"), ...again]);
  expect(keys).toEqual(["good", "other"]);
  expect(faults).toEqual([expect.stringContaining("duplicate-key: shard-00017.tar: good occurs a second time")]);
  expect((await faultsOf([text("good.txt", "another")])).faults).toEqual([
    expect.stringContaining("a second good.txt follows"),
  ]);
});

test("a huge caption is refused unread", async () => {
  const { faults } = await faultsOf([await image("a.png"), text("a.txt", "x".repeat(1024 * 1024 + 1))]);
  expect(faults).toEqual([expect.stringContaining("a.txt has 1048577 bytes, more than the 1048576 allowed")]);
});

test("a shard that is cut off loses only what is missing", async () => {
  const path = await shardOf([...(await sampleEntries("a", 1)), ...(await sampleEntries("b", 2))]);
  const bytes = readFileSync(path);
  const cut = bytes.indexOf("b.txt") + 512 + 4;
  writeFileSync(path, bytes.subarray(0, cut));
  const faults: Fault[] = [];
  const dataset = await openDataset({ shards: path, onFault: (fault) => faults.push(fault) });
  expect(dataset.size).toBe(1);
  expect(dataset.faults).toEqual({ "tar-cut": 1 });
  expect(faults).toEqual([
    {
      cause: "tar-cut",
      shard: "shard-00017.tar",
      key: "b",
      message: `shard-00017.tar: b.txt is cut off at byte ${cut}; skipped (1 of 2 so far)`,
    },
  ]);
  dataset.close();
});

test("damage found on reading is named", async () => {
  const entries = [await image("a.png"), { name: "a.txt", data: Buffer.from([0xff, 0xfe, 0x41]) }];
  await expect(faultsOf(entries)).rejects.toThrow("shard-00017.tar: a.txt is not UTF-8");
  const json = [await image("a.png"), text("a.txt"), text("a.json", "{")];
  await expect(faultsOf(json)).rejects.toThrow("shard-00017.tar: a.json is not valid JSON");
  await expect(faultsOf([await image("a.png"), text("a.txt", " \n")])).rejects.toThrow("the caption of a is empty");
});

test("too many bad samples, or no good one, stop the opening", async () => {
  const bad = Array.from({ length: 11 }, (_, i) => text(`${i}.txt`));
  await expect(faultsOf(bad)).rejects.toThrow("too many bad samples: 11 of 12");
  await expect(faultsOf(bad.slice(0, 1), { maxBadRate: 0 })).rejects.toThrow("too many bad samples: 1 of 2");
  const none = shardOf([text("a.txt")]).then((shards) => openDataset({ shards }));
  await expect(none).rejects.toThrow(/no sample was found in .*shard-00017\.tar \(1 no-picture\)/);
});

test("a shard that was changed is not read on", async () => {
  const path = await shardOf(await sampleEntries("a", 1));
  const dataset = await openDataset({ shards: path });
  utimesSync(path, 1, 1);
  await expect(dataset.readSample(0)).rejects.toThrow("shard-00017.tar was changed while it was in use");
});
