// Tables and folders of pictures, read where they lie.
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "../dataset.ts";
import type { Fault } from "../faults.ts";
import { createLoader, type Loader } from "../loader/loader.ts";
import { picture, temporaryFolder } from "../shards.fixture.ts";

let folder: string;
const loaders: Loader[] = [];

beforeEach(() => {
  folder = temporaryFolder();
});
afterAll(() => Promise.all(loaders.map((loader) => loader.close())));

async function write(files: Readonly<Record<string, string | number>>): Promise<void> {
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof contents === "number" ? await picture(contents) : contents);
  }
}

async function open(name: string, options: Partial<DatasetOptions> = {}): Promise<Dataset & { faults: Fault[] }> {
  const faults: Fault[] = [];
  const onFault = (fault: Fault): number => faults.push(fault);
  return { ...(await openDataset({ shards: join(folder, name), onFault, ...options })), faults };
}

async function samplesOf(dataset: Dataset): Promise<{ key: string; captions: readonly string[]; json: unknown }[]> {
  const samples = await Promise.all(Array.from({ length: dataset.size }, (_, id) => dataset.readSample(id)));
  dataset.close();
  return samples.map(({ key, captions, json }) => ({ key, captions, json }));
}

test.each([
  ["csv", "filepath,title,author\na.png,a cat,me\nsub/b.png,a dog,you\n", { author: "me" }],
  ["tsv", "image\tcaption\na.png\ta cat\nsub/b.png\ta dog\n", {}],
  ["jsonl", '{"file":"a.png","text":"a cat"}\n{"file":"sub/b.png","text":["a dog","a hound"]}\n', {}],
])("the rows of a .%s are samples", async (kind, text, more) => {
  await write({ "a.png": 1, "sub/b.png": 2, [`rows.${kind}`]: text });
  const [first, second] = await samplesOf(await open(`rows.${kind}`));
  const line = kind === "jsonl" ? 1 : 2;
  expect(first).toEqual({ key: `rows.${kind}:${line}`, captions: ["a cat"], json: more });
  expect(second!.captions).toEqual(kind === "jsonl" ? ["a dog", "a hound"] : ["a dog"]);
});

test("a folder's pictures are samples, with their text files or the folders' names", async () => {
  await write({ "in/a.png": 1, "in/a.txt": "a cat\nthe cat\n", "in/big_dogs/b.png": 2, "in/c.png": 3 });
  const dataset = await open("in");
  expect(dataset.faults).toEqual([
    {
      cause: "no-caption",
      shard: "in",
      key: "c.png",
      message: "c.png: there is no caption; skipped (1 of 3 so far)",
    },
  ]);
  expect(await samplesOf(dataset)).toEqual([
    { key: "a.png", captions: ["a cat", "the cat"], json: {} },
    { key: "big_dogs/b.png", captions: ["big dogs"], json: { label: "big_dogs" } },
  ]);
});

test("a folder of shards is told how to be named", async () => {
  await write({ "in/a.tar": "" });
  await expect(open("in")).rejects.toThrow(/in holds no picture \(.*\); the shards in it are named by .*in\/\*\.tar$/);
});

test("columns can be named; one that is missing is asked for", async () => {
  await write({ "a.png": 1, "rows.csv": "bild,words,title\na.png,a cat,no\n" });
  await expect(open("rows.csv")).rejects.toThrow(
    /expected a column of image, one of filepath, .*got bild, words, title/,
  );
  const columns = { imageColumn: "bild", captionColumn: "words" };
  expect((await samplesOf(await open("rows.csv", { columns })))[0]!.captions).toEqual(["a cat"]);
  const other = await samplesOf(await open("rows.csv", { columns: { imageColumn: "bild" } }));
  expect(other[0]!.captions).toEqual(["no"]);
});

test("a table that was changed is read anew; the fingerprint follows the rows, not the folder", async () => {
  await write({ "a.png": 1, "rows.csv": "image,text\na.png,one\n" });
  const first = await open("rows.csv");
  first.close();
  await write({ "rows.csv": "image,text\na.png,two\n" });
  utimesSync(join(folder, "rows.csv"), 5, 5);
  const second = await open("rows.csv");
  expect(second.fingerprint).not.toBe(first.fingerprint);
  expect((await samplesOf(second))[0]!.captions).toEqual(["two"]);
  folder = temporaryFolder();
  await write({ "a.png": 1, "rows.csv": "image,text\na.png,one\n" });
  const moved = await open("rows.csv");
  moved.close();
  expect(moved.fingerprint).toBe(first.fingerprint);
});

test("the loader replaces rows whose picture is missing, empty or damaged, and names them", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => `${i}.png,caption ${i}`);
  await write({
    ...Object.fromEntries(rows.map((_, i) => [`${i}.png`, i])),
    "rows.csv": `image,text\n${rows.join("\n")}\n`,
  });
  rmSync(join(folder, "3.png"));
  await write({ "5.png": "", "7.png": "no picture" });
  const dataset = await open("rows.csv");
  const faults: string[] = [];
  const loader = createLoader({
    dataset,
    batchSize: 6,
    workers: 2,
    seed: 1,
    image: { size: 8, mode: "train", mean: [0, 0, 0], std: [1, 1, 1] },
    contextLength: 8,
    order: { kind: "ids" },
    dropLast: true,
    maxBadRate: 1,
    onFault: ({ cause, message }) => faults.push(`${cause}: ${message}`),
  });
  loaders.push(loader);
  const ids: number[] = [];
  for await (const batch of loader.epoch(0)) {
    ids.push(...[...batch.ids].map(Number));
    batch.release();
  }
  expect(ids).toEqual([0, 1, 2, 9, 4, 11, 6, 1, 8, 9, 10, 11]);
  expect(faults).toEqual([
    expect.stringMatching(/^no-picture: rows\.csv:5: 3\.png does not exist; skipped/),
    expect.stringMatching(/^no-picture: rows\.csv:7: 5\.png is empty; skipped/),
    expect.stringMatching(/^bad-picture: rows\.csv:9: 7\.png is not a picture of a supported kind/),
  ]);
});
