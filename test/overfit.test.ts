// `fastclip doctor --overfit`: what is in order learns a batch by heart, and what is not is named.
import sharp from "sharp";
import { expect, test } from "vitest";
import { picture, temporaryFolder, writeShards } from "../src/data/shards.fixture.ts";
import type { FlagValues } from "../src/train/config/layers.ts";
import { loadConfig } from "../src/train/config/load.ts";
import { overfit } from "../src/train/overfit.ts";
import { writeViT } from "./support/shards.ts";

const folder = temporaryFolder();
const data = await writeShards({ folder, count: 1, samples: 40 });
const flags = { "train-data": data, model: "RN-Ti-64", precision: "fp32", lr: "1e-3", temperature: "0.05" };
const outcome = (more: FlagValues) => overfit(loadConfig({ flags: { ...flags, ...more } }));

test.each(["fastclip-v2", "fastclip-v3", "openclip"])("%s learns a batch by heart", async (loss) => {
  const levels: number[] = [];
  const config = loadConfig({ flags: { ...flags, loss } });
  const { found, mend } = await overfit(config, { onStep: (_, infoNce) => levels.push(infoNce) });
  expect(mend).toBeUndefined();
  expect(levels[0]).toBeGreaterThan(0.8 * Math.log(16));
  expect(levels.at(-1)).toBeLessThan(0.05);
  expect(found).toBe(
    `InfoNCE ${levels.at(-1)!.toFixed(3)} after ${levels.length} steps on 16 different pairs; guessing has 2.773`,
  );
});

test.each([
  { name: "a rate that is next to nothing", more: { lr: "1e-12" }, says: /^the loss does not move: raise .*now 1e-12/ },
  {
    name: "one that is too high",
    more: { lr: "1" },
    says: /features of different .* is (0\.99\d|1\.000): .* lower .*now 1\)/,
  },
  { name: "one that is no rate", more: { lr: "1e38", opt: "sgd" }, says: /^step 2 was not finite: lower/ },
])("$name is named", async ({ more, says }) => {
  const { mend } = await outcome({ ...more, warmup: "0" });
  expect(mend).toMatch(says);
});

test("pictures that are all alike are named as such", async () => {
  const one = await picture(1);
  const alike = await writeShards({
    folder: temporaryFolder(),
    count: 1,
    samples: 20,
    change: (entries) => entries.map((entry) => (entry.name.endsWith(".png") ? { ...entry, data: one } : entry)),
  });
  expect(await outcome({ "train-data": alike })).toEqual({
    found: "pairs with a picture and a caption of their own among the first 20: 1, where 4 are needed",
    mend: "look at the data: pictures or captions are all alike",
  });
});

test("pictures with next to no difference cannot be told apart", async () => {
  // White but for one pixel.
  const almostWhite = async (seed: number): Promise<Buffer> => {
    const data = new Uint8Array(12 * 12 * 3).fill(255);
    data[3 * seed] = 254;
    return sharp(data, { raw: { width: 12, height: 12, channels: 3 } })
      .png()
      .toBuffer();
  };
  const pictures = await Promise.all(Array.from({ length: 20 }, (_, seed) => almostWhite(seed)));
  const white = await writeShards({
    folder: temporaryFolder(),
    count: 1,
    samples: 20,
    change: (entries, seed) =>
      entries.map((entry) => (entry.name.endsWith(".png") ? { ...entry, data: pictures[seed]! } : entry)),
  });
  const { mend } = await outcome({ "train-data": white, model: writeViT(folder) });
  expect(mend).toMatch(
    /^the mean cosine between the features of different pictures is 1\.000: look whether they are alike/,
  );
});
