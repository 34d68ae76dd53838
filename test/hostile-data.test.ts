// Data that is damaged, or made to do harm: each is left out by its cause and name, or ends the run with a sentence; never does a sample
// come that is not what its key says. What servers do wrong is in remote-data.test.ts, s3-storage.test.ts and http-storage.test.ts.
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Dataset, openDataset } from "../src/data/dataset.ts";
import type { Fault } from "../src/data/faults.ts";
import { openPicture } from "../src/data/image/decode.ts";
import { createTransform, type ImageSettings } from "../src/data/image/transform.ts";
import { type Batch, createLoader, type Loader } from "../src/data/loader/loader.ts";
import { picture, sampleEntries, temporaryFolder, writeShards } from "../src/data/shards.fixture.ts";
import { type TarEntry, writeTar } from "../src/data/tar/write.ts";
import { createTokenizer } from "../src/data/tokenizer/tokenizer.ts";

const image: ImageSettings = { size: 8, mode: "eval", mean: [0, 0, 0], std: [1, 1, 1] };
const contextLength = 16;
const good = 20;
let folder: string;
const loaders: Loader[] = [];

beforeAll(async () => {
  folder = temporaryFolder();
  await writeShards({ folder, count: 1, samples: good });
});
afterAll(() => Promise.all(loaders.map((loader) => loader.close())));

/** Makes "bad.tar" beside the good shard; the whole ones of its samples have the seeds that are their keys. */
type Make = (path: string) => Promise<void>;

const text = (name: string, value: string | Uint8Array): TarEntry => ({ name, data: Buffer.from(value) });
const photo = async (name: string): Promise<TarEntry> => ({ name, data: await picture(1) });
const whole = (key: number) => () => sampleEntries(String(key), key);

/** A shard of these parts, which are made when it is written. */
const entries =
  (...parts: (TarEntry | (() => Promise<TarEntry | TarEntry[]>))[]): Make =>
  async (path) => {
    const made = await Promise.all(parts.map((part) => (typeof part === "function" ? part() : part)));
    await writeTar(path, made.flat());
  };
const around = (...middle: Parameters<typeof entries>): Make => entries(whole(100), ...middle, whole(101));

/** A shard of three samples, changed as bytes. */
const bytes =
  (change: (tar: Buffer) => Uint8Array): Make =>
  async (path) => {
    await entries(whole(100), whole(101), whole(102))(path);
    writeFileSync(path, change(readFileSync(path)));
  };

async function cutPicture(kind: "jpeg" | "png" | "webp"): Promise<TarEntry> {
  const noise = Uint8Array.from({ length: 48 * 48 * 3 }, (_, i) => (i * i * 7 + (i >> 3)) % 256);
  const whole = await sharp(noise, { raw: { width: 48, height: 48, channels: 3 } })
    .toFormat(kind)
    .toBuffer();
  return { name: `x.${kind === "jpeg" ? "jpg" : kind}`, data: whole.subarray(0, Math.floor(whole.length * 0.7)) };
}

async function bomb(): Promise<TarEntry> {
  const created = { width: 12_000, height: 12_000, channels: 3, background: "white" } as const;
  const data = await sharp({ create: created }).png().toBuffer();
  expect(data.length).toBeLessThan(500_000);
  return { name: "x.png", data };
}

/** What is wrong, the shard, what is told of it, and the samples that are whole all the same. */
const table: readonly (readonly [name: string, make: Make, told: readonly RegExp[], whole: readonly string[]])[] = [
  [
    "a shard that is cut off",
    bytes((tar) => tar.subarray(0, tar.indexOf("101.txt") + 100)),
    [/^tar-cut: bad\.tar: is cut off at byte \d+, inside a header/, /^no-caption: bad\.tar: 101 has no \.txt/],
    ["100"],
  ],
  [
    "a header that is damaged",
    bytes((tar) => tar.with(tar.indexOf("101.png") + 124, 0x39)),
    [
      /^tar-header: bad\.tar: the header at byte \d+ is damaged/,
      /^no-picture: bad\.tar: 101 has no picture \(txt, json\)/,
    ],
    ["100", "102"],
  ],
  [
    "an HTML error page in the place of a shard",
    bytes(() => Buffer.from(`<!DOCTYPE html><html>${"<p>403 Forbidden</p>".repeat(40)}</html>`)),
    [/^tar-header: bad\.tar: is not a tar file/],
    [],
  ],
  ["an empty shard", bytes(() => new Uint8Array()), [/^tar-cut: bad\.tar: is empty/], []],
  [
    "a sample without a caption",
    around(() => photo("x.png")),
    [/^no-caption: bad\.tar: x has no \.txt/],
    ["100", "101"],
  ],
  [
    "a caption without a picture",
    around(text("x.txt", "a cat")),
    [/^no-picture: bad\.tar: x has no picture \(txt\)/],
    ["100", "101"],
  ],
  [
    "a picture of no bytes",
    around(text("x.png", ""), text("x.txt", "a cat")),
    [/^no-picture: bad\.tar: x\.png is empty/],
    ["100", "101"],
  ],
  ...(["jpeg", "png", "webp"] as const).map(
    (kind) =>
      [
        `a ${kind} that is cut off`,
        around(() => cutPicture(kind), text("x.txt", "a cat")),
        [/^bad-picture: bad\.tar: x\.\w+ (is cut off|cannot be decoded)/],
        ["100", "101"],
      ] as const,
  ),
  [
    "a picture bomb",
    around(bomb, text("x.txt", "a cat")),
    [/^bad-picture: bad\.tar: x\.png has 12000 x 12000 pixels, more than the 89478485 allowed/],
    ["100", "101"],
  ],
  [
    "a caption of 100 MB",
    around(() => photo("x.png"), text("x.txt", Buffer.alloc(100e6, "cat "))),
    [/^bad-caption: bad\.tar: x\.txt has 100000000 bytes, more than the 1048576 allowed/],
    ["100", "101"],
  ],
  [
    "a caption with half of a character, as bytes",
    around(() => photo("x.png"), text("x.txt", Buffer.from("6120eda080", "hex"))),
    [/^bad-caption: bad\.tar: x\.txt is not UTF-8/],
    ["100", "101"],
  ],
  [
    "two samples of one key",
    around(() => photo("100.png"), text("100.txt", "another")),
    [/^duplicate-key: bad\.tar: a second 100\.png follows/, /^duplicate-key: bad\.tar: a second 100\.txt follows/],
    ["100", "101"],
  ],
  [
    "two samples of one key, apart",
    entries(whole(100), whole(101), () => sampleEntries("100", 7)),
    [/^duplicate-key: bad\.tar: 100 occurs a second time/],
    ["100", "101"],
  ],
];

describe.each(table)("%s", (_, make, told, left) => {
  test("is left out by cause and name; all else comes as it is", async () => {
    const path = join(folder, "bad.tar");
    await make(path);
    const faults: string[] = [];
    const onFault = ({ cause, message }: Fault): number => faults.push(`${cause}: ${message}`);
    const dataset = await openDataset({ shards: [join(folder, "shard-0.tar"), path], onFault });
    const seen = new Set<string>();
    for await (const batch of load(dataset, onFault).epoch(0)) {
      for (let row = 0; row < batch.size; row++) seen.add(await checkRow(dataset, { batch, row }));
      batch.release();
    }
    expect(faults).toEqual(told.map((expression) => expect.stringMatching(expression)));
    const keys = [...Array.from({ length: good }, (_, i) => String(i).padStart(6, "0")), ...left];
    expect([...seen].sort()).toEqual(keys.sort());
    dataset.close();
  });
});

function load(dataset: Dataset, onFault: (fault: Fault) => void): Loader {
  const common = { dataset, batchSize: 4, workers: 2, seed: 1, image, contextLength, onFault };
  const loader = createLoader({ ...common, order: { kind: "global" }, dropLast: false });
  loaders.push(loader);
  return loader;
}

/** The row holds the picture and the caption of its key; returns the key. */
async function checkRow(dataset: Dataset, { batch, row }: { batch: Batch; row: number }): Promise<string> {
  const { key, shard } = await dataset.readSample(Number(batch.ids[row]!));
  const seed = Number(key);
  const pixels = new Float32Array(3 * 64);
  createTransform(image)(await openPicture(await picture(seed)), Math.random, pixels);
  expect(batch.images.slice(192 * row, 192 * (row + 1)), `${key} of ${shard}`).toEqual(pixels);
  const tokens = new Int32Array(contextLength);
  createTokenizer({ contextLength }).encodeInto(`caption number ${seed}`, tokens);
  expect(batch.tokens.slice(contextLength * row, contextLength * (row + 1))).toEqual(tokens);
  return key;
}

test("control characters in a caption are cleaned away", async () => {
  const path = join(folder, "control.tar");
  const image = await picture(1);
  await writeTar(path, [
    { name: "a.png", data: image },
    text("a.txt", "a\u0000 \u0007cat\u001b[31m on\u200b a\r\nmat\u0085"),
  ]);
  const dataset = await openDataset({ shards: path });
  const [caption] = (await dataset.readSample(0)).captions;
  const tokenizer = createTokenizer({ contextLength });
  const ids = tokenizer.encode(caption!);
  expect(ids.length).toBeLessThan(12);
  expect(ids.every((id) => id >= 0 && id < 49408)).toBe(true);
  dataset.close();
});

test("half of a character in JSON is no caption", async () => {
  const path = join(folder, "half.tar");
  await writeTar(path, [{ name: "a.png", data: await picture(1) }, text("a.json", '{"caption": "a cat \\ud800"}')]);
  const dataset = await openDataset({ shards: path, captionKey: "caption" });
  await expect(dataset.readSample(0)).rejects.toThrow(
    'half.tar: key "caption" of a.json holds half of a character (an unpaired surrogate)',
  );
  dataset.close();
});

test.each([
  ["written into", (path: string) => writeFileSync(path, readFileSync(path).fill(7, 2000, 2100))],
  ["replaced by another", (path: string) => utimesSync(path, 1, 1)],
])("a shard that is %s while it is read ends the run with a sentence", async (_, change) => {
  const path = join(folder, "changing.tar");
  await entries(...Array.from({ length: 40 }, (_, i) => whole(100 + i)))(path);
  const dataset = await openDataset({ shards: path });
  const read = async (): Promise<void> => {
    let step = 0;
    for await (const batch of load(dataset, () => {}).epoch(0)) {
      if (step++ === 0) change(path);
      batch.release();
    }
  };
  await expect(read()).rejects.toThrow(`${basename(path)} was changed while it was in use; open the data set again`);
  dataset.close();
});
