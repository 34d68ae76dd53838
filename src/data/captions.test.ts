// Where captions come from, and which of several is taken.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "./dataset.ts";
import { createLoader, type Loader } from "./loader/loader.ts";
import { picture, temporaryFolder } from "./shards.fixture.ts";
import { writeTar } from "./tar/write.ts";
import { createTokenizer } from "./tokenizer/tokenizer.ts";

const loaders: Loader[] = [];
afterAll(() => Promise.all(loaders.map((loader) => loader.close())));

async function datasetOf(jsons: readonly unknown[], options: Partial<DatasetOptions>): Promise<Dataset> {
  const path = join(temporaryFolder(), "a.tar");
  const image = await picture(1);
  await writeTar(
    path,
    jsons.flatMap((json, i) => [
      { name: `${i}.png`, data: image },
      { name: `${i}.json`, data: Buffer.from(JSON.stringify(json)) },
    ]),
  );
  return openDataset({ shards: path, ...options });
}

test("texts and lists of texts under several keys are all captions", async () => {
  const json = { short: "a cat", long: ["a cat on a mat", " ", "a mat"], other: 1 };
  const dataset = await datasetOf([json], { captionKey: ["short", "long", "none"] });
  expect((await dataset.readSample(0)).captions).toEqual(["a cat", "a cat on a mat", "a mat"]);
  dataset.close();
});

test.each([
  [{ other: "x" }, 'a.tar: 0.json has no caption under "caption", "alt"'],
  [{ caption: [] }, 'a.tar: 0.json has no caption under "caption", "alt"'],
  [{ alt: "\n" }, 'a.tar: 0.json has no caption under "caption", "alt"'],
  [{ alt: ["a", 1] }, 'a.tar: key "alt" of 0.json is neither a text nor a list of texts'],
  [[], 'a.tar: 0.json has no caption under "caption", "alt"'],
  [null, 'a.tar: 0.json has no caption under "caption", "alt"'],
])("%j has no caption", async (json, message) => {
  const dataset = await datasetOf([json], { captionKey: ["caption", "alt"] });
  await expect(dataset.readSample(0)).rejects.toThrow(message);
  dataset.close();
});

test("training takes another caption every epoch, each equally often; evaluation takes the first", async () => {
  const captions = ["zero", "one", "two"];
  const dataset = await datasetOf(
    Array.from({ length: 40 }, () => ({ captions })),
    { captionKey: "captions" },
  );
  const tokenizer = createTokenizer({ contextLength: 8 });
  const known = captions.map((text) => {
    const row = new Int32Array(8);
    tokenizer.encodeInto(text, row);
    return row.join();
  });
  const chosen = async (mode: "train" | "eval", { epoch, workers }: { epoch: number; workers: number }) => {
    const image = { size: 8, mode, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const order = { kind: "ids" } as const;
    const loader = createLoader({
      dataset,
      batchSize: 40,
      workers,
      seed: 5,
      image,
      contextLength: 8,
      order,
      dropLast: true,
    });
    loaders.push(loader);
    for await (const { tokens, release } of loader.epoch(epoch)) {
      const rows = Array.from({ length: 40 }, (_, i) => tokens.slice(8 * i, 8 * i + 8).join());
      release();
      return rows.map((row) => known.indexOf(row));
    }
    return [];
  };
  const first = await chosen("train", { epoch: 0, workers: 1 });
  expect(await chosen("train", { epoch: 0, workers: 3 })).toEqual(first);
  expect(await chosen("train", { epoch: 1, workers: 1 })).not.toEqual(first);
  // 13.3 expected, standard deviation 3.
  for (const caption of [0, 1, 2])
    expect(Math.abs(first.filter((one) => one === caption).length - 13.3)).toBeLessThan(10);
  expect(await chosen("eval", { epoch: 1, workers: 1 })).toEqual(new Array(40).fill(0));
  dataset.close();
});
