import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Dataset, openDataset } from "../dataset.ts";
import type { Fault } from "../faults.ts";
import { clipMean, clipStd, type ImageSettings } from "../image/transform.ts";
import { createLoader } from "../loader/loader.ts";
import { createPlan } from "../plan/plan.ts";
import { picture, temporaryFolder, writeShards } from "../shards.fixture.ts";
import { writeTar } from "../tar/write.ts";
import { makeSheet, type Sheet, type SheetOptions } from "./sheet.ts";

const image: ImageSettings = {
  size: 16,
  mean: clipMean,
  std: clipStd,
  mode: "train",
  scale: [0.5, 1],
  affine: { degrees: 10, translate: [0.1, 0.1], scale: [0.9, 1.1], fill: 255 },
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8 },
  grayscale: 0.3,
  horizontalFlip: 0.5,
};
const seed = 5;
const contextLength = 5;

let dataset: Dataset;
beforeAll(async () => {
  dataset = await openDataset({ shards: await writeShards({ folder: temporaryFolder(), count: 2, samples: 6 }) });
});
afterAll(() => dataset.close());

async function sheetOf(options: Partial<SheetOptions> = {}): Promise<Sheet & { faults: Fault[] }> {
  const faults: Fault[] = [];
  const order = { kind: "global" } as const;
  const standard = { dataset, image, contextLength, seed, order, epoch: 0, count: 12, augmentations: 1 };
  return { ...(await makeSheet({ ...standard, onFault: (fault) => faults.push(fault), ...options })), faults };
}

/** ToTensor and Normalize, in float32: what the model gets for a picture of 8 bits. */
function normalized(data: Uint8Array): Float32Array {
  const area = data.length / 3;
  const planes = new Float32Array(data.length);
  for (const [i, level] of data.entries()) {
    const channel = i % 3;
    const [mean, std] = [Math.fround(clipMean[channel]!), Math.fround(clipStd[channel]!)];
    planes[channel * area + (i - channel) / 3] = Math.fround(Math.fround(level / 255) - mean) / std;
  }
  return planes;
}

test("every picture is, bit for bit, what the loader makes of the sample in that epoch", async () => {
  const { cards } = await sheetOf({ epoch: 2, augmentations: 3 });
  expect(cards).toHaveLength(12);
  const loader = createLoader({
    dataset,
    batchSize: 12,
    workers: 2,
    seed,
    image,
    contextLength,
    order: { kind: "global" },
    dropLast: true,
  });
  try {
    for (const [i, epoch] of [2, 3, 4].entries()) {
      for await (const { ids, images, release } of loader.epoch(epoch)) {
        // The first epoch's order is that of the sheet.
        if (i === 0) expect(cards.map(({ id }) => id)).toEqual([...ids].map(Number));
        for (const { id, pictures } of cards) {
          const row = ids.indexOf(BigInt(id));
          expect(normalized(pictures[i]!.data)).toEqual(images.slice(row * 768, (row + 1) * 768));
        }
        release();
      }
    }
  } finally {
    await loader.close();
  }
  // Something was augmented, so that the epochs differ.
  expect(cards.every(({ pictures: [a, b] }) => !Buffer.from(a!.data).equals(b!.data))).toBe(true);
});

test("captions as the model reads them, and where they stand", async () => {
  const { cards } = await sheetOf({ count: 1 });
  const id = createPlan({ starts: [0, 12], seed, order: { kind: "global" } }, 0).at(0);
  const digits = [...String(id)];
  // The start, "caption", "number", a token for each digit, the end: a number of two digits does not fit into five.
  expect(cards).toEqual([
    {
      id,
      key: String(id).padStart(6, "0"),
      shard: id < 6 ? "shard-0.tar" : "shard-1.tar",
      caption: `caption number ${digits[0]}`,
      tokens: 4 + digits.length,
      pictures: [expect.anything()],
    },
  ]);
});

test("a sample that cannot be shown is reported, and the next stands in its place", async () => {
  const path = join(temporaryFolder(), "one.tar");
  const entries = async (key: string, data: Buffer) => [
    { name: `${key}.png`, data },
    { name: `${key}.txt`, data: Buffer.from(key) },
  ];
  await writeTar(path, [...(await entries("bad", Buffer.from("-"))), ...(await entries("good", await picture(1)))]);
  const other = await openDataset({ shards: path });
  const { cards, faults } = await sheetOf({ dataset: other, count: 2 });
  other.close();
  expect(cards.map(({ key }) => key)).toEqual(["good"]);
  expect(faults).toMatchObject([{ cause: "bad-picture", shard: "one.tar", key: "bad" }]);
});
