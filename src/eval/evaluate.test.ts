import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { writeTar } from "../data/tar/write.ts";
import { createTokenizer } from "../data/tokenizer/tokenizer.ts";
import { createModel } from "../models/index.ts";
import { liveTensors, rngState, scope, type Tensor, tensor } from "../tensor/index.ts";
import type { Encoder } from "./encode.ts";
import { type EvaluateOptions, evaluate } from "./evaluate.ts";
import { encodeDataset } from "./features.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-evaluate-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Captions are colours, and pictures show them. */
const colors = {
  red: [255, 0, 0],
  green: [0, 255, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  white: [255, 255, 255],
};
type Color = keyof typeof colors;
const names = Object.keys(colors) as Color[];
const contextLength = 8;

interface Sample {
  color: Color;
  json?: object;
  /** In place of the picture. */
  bytes?: Buffer;
}

let shards = 0;

async function write(samples: readonly Sample[]): Promise<Dataset> {
  const path = join(folder, `${shards++}.tar`);
  const entries = samples.map(async ({ color, json, bytes }, i) => {
    const [r, g, b] = colors[color] as [number, number, number];
    const picture = sharp({ create: { width: 70, height: 64, channels: 3, background: { r, g, b } } });
    return [
      { name: `s${i}.png`, data: bytes ?? (await picture.png().toBuffer()) },
      { name: `s${i}.txt`, data: Buffer.from(color) },
      ...(json ? [{ name: `s${i}.json`, data: Buffer.from(JSON.stringify(json)) }] : []),
    ];
  });
  await writeTar(path, (await Promise.all(entries)).flat());
  return openDataset({ shards: path });
}

/** Sees the colour of the middle of a picture, and knows the colours' names: right about everything. */
class Oracle implements Encoder {
  training = true;
  readonly #byIds = new Map<string, readonly number[]>();

  constructor() {
    const tokenizer = createTokenizer({ contextLength });
    for (const name of names) this.#byIds.set(tokenizer.encode(name).join(), colors[name]);
  }

  train(training = true): void {
    this.training = training;
  }

  encodeImage(images: Tensor): Tensor {
    const middle = images.shape[2]! / 2;
    return features(images.select(3, middle).select(2, middle).toArray());
  }

  encodeText(tokens: Tensor): Tensor {
    const [rows, width] = tokens.shape as [number, number];
    const ids = tokens.toArray();
    const texts = Array.from({ length: rows }, (_, row) =>
      ids.slice(row * width, (row + 1) * width).filter((id) => id !== 0),
    );
    return features(texts.flatMap((text) => (this.#byIds.get(text.join()) ?? [0, 0, 0]).map((level) => level / 255)));
  }
}

/** Channels in [0, 1] -> the corner of a cube around the middle, so that black is no zero. */
function features(values: readonly number[]): Tensor {
  return tensor(
    values.map((value) => Math.round(value) - 0.5),
    { shape: [values.length / 3, 3] },
  );
}

function settings(dataset: Dataset): EvaluateOptions {
  const image = { size: 64, mean: [0, 0, 0], std: [1, 1, 1] };
  return { model: new Oracle(), dataset, contextLength, image, batchSize: 2, workers: 1 };
}

const classes = { templates: ["{}"], classes: names.map((name) => ({ name })) };

describe("a model that is right about everything", () => {
  const samples = names.map((color, i) => ({ color, json: { class: i, heldOutConcept: i === 1 } }));

  test("has all figures at 1, with chance beside them, for all data and its parts", async () => {
    const dataset = await write(samples);
    const { results, gallery } = await evaluate({ ...settings(dataset), classes, split: "held-out style" });
    expect(results.map(({ value }) => value)).toEqual(results.map(() => 1));
    const splits = ["held-out style", "held-out style, seen concept", "held-out style and concept"];
    expect([...new Set(results.map(({ split }) => split))]).toEqual(splits);
    const all = results.filter(({ split }) => split === "held-out style");
    expect(all.map(({ metric, chance, count }) => `${metric}: ${chance} of ${count}`)).toEqual([
      "zero-shot top-1: 0.2 of 5",
      "zero-shot top-5: 1 of 5",
      "image-to-text recall@1: 0.2 of 5",
      "image-to-text recall@5: 1 of 5",
      "image-to-text recall@10: 1 of 5",
      "text-to-image recall@1: 0.2 of 5",
      "text-to-image recall@5: 1 of 5",
      "text-to-image recall@10: 1 of 5",
    ]);
    expect(results.filter(({ split }) => split === splits[2]).map(({ count }) => count)).toEqual(all.map(() => 1));
    expect(gallery.map(({ query }) => query).sort()).toEqual([...names].sort());
    expect(gallery.every(({ query, items }) => items[0]!.correct && items[0]!.caption === query)).toBe(true);
  });

  test("also where pictures share a caption, counted masked", async () => {
    const dataset = await write([{ color: "red" }, { color: "red" }, { color: "blue" }]);
    const { results } = await evaluate(settings(dataset));
    const at1 = results.filter(({ metric }) => metric.includes("recall@1") && !metric.includes("@10"));
    // The two red ones tie: each is first in half of the orders.
    expect(at1).toEqual([
      {
        split: "validation",
        metric: "image-to-text recall@1",
        value: expect.closeTo(2 / 3, 9),
        chance: expect.closeTo(1 / 3, 9),
        count: 3,
      },
      {
        split: "validation",
        metric: "text-to-image recall@1",
        value: expect.closeTo(2 / 3, 9),
        chance: expect.closeTo(1 / 3, 9),
        count: 3,
      },
      {
        split: "validation",
        metric: "image-to-text recall@1, same label masked",
        value: 1,
        chance: expect.closeTo(4 / 9, 9),
        count: 3,
      },
      {
        split: "validation",
        metric: "text-to-image recall@1, same label masked",
        value: 1,
        chance: expect.closeTo(4 / 9, 9),
        count: 3,
      },
    ]);
  });
});

describe("what is measured", () => {
  test("without class names only retrieval; the gallery asks with captions", async () => {
    const dataset = await write([{ color: "green" }, { color: "white" }]);
    const { results, gallery } = await evaluate(settings(dataset));
    expect(results.some(({ metric }) => metric.startsWith("zero-shot"))).toBe(false);
    expect(gallery.map(({ query }) => query).sort()).toEqual(["green", "white"]);
  });

  test("without retrieval only classification, of the pictures that have a class", async () => {
    const dataset = await write([{ color: "green", json: { class: "green" } }, { color: "white" }]);
    const { results, gallery } = await evaluate({
      ...settings(dataset),
      classes,
      retrieval: false,
      gallery: { count: 0 },
    });
    expect(results.map(({ metric, count }) => [metric, count])).toEqual([
      ["zero-shot top-1", 1],
      ["zero-shot top-5", 1],
    ]);
    expect(gallery).toEqual([]);
  });

  test("one sample alone", async () => {
    const { results } = await evaluate(settings(await write([{ color: "blue" }])));
    expect(results.map(({ value, chance }) => [value, chance])).toEqual(results.map(() => [1, 1]));
  });
});

describe("what cannot be evaluated", () => {
  test("a class that is not among the names", async () => {
    const dataset = await write([{ color: "red", json: { class: 9 } }]);
    const running = evaluate({ ...settings(dataset), classes });
    await expect(running).rejects.toThrow("sample s0 is of class 9, which is not among the 5 class names");
  });

  test("class names for data without classes", async () => {
    const running = evaluate({ ...settings(await write([{ color: "red" }])), classes });
    await expect(running).rejects.toThrow("no sample of the evaluation data has a class in its JSON");
  });

  test("a picture whose features are not finite; no tensor stays, and the model trains on", async () => {
    const model = new Oracle();
    const sees = model.encodeImage.bind(model);
    model.encodeImage = (images) => sees(images).div(images.sum().gt(0).to("float32").sub(1));
    const dataset = await write([{ color: "red" }, { color: "blue" }]);
    const before = liveTensors();
    const running = evaluate({ ...settings(dataset), model });
    await expect(running).rejects.toThrow(
      /the features of the picture of sample s0 \(id 0\) have the norm (NaN|Infinity)/,
    );
    // Fewer when garbage of another test was collected meanwhile.
    expect(liveTensors()).toBeLessThanOrEqual(before);
    expect(model.training).toBe(true);
  });
});

test("a damaged picture is left out and told, and the others keep their ids", async () => {
  const bytes = Buffer.from("no picture");
  const dataset = await write([{ color: "red" }, { color: "green", bytes }, { color: "blue" }, { color: "white" }]);
  const faults: string[] = [];
  const options = { ...settings(dataset), onFault: ({ message }: { message: string }) => faults.push(message) };
  const { ids, images, texts } = await encodeDataset(options);
  expect(ids).toEqual([0, 2, 3]);
  expect(images.toArray().map((value) => value > 0)).toEqual([
    true,
    false,
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  expect(texts!.toArray()).toEqual(images.toArray());
  expect(faults).toEqual([expect.stringContaining("s1.png is not a picture")]);
});

describe("with CLIP", () => {
  const model = createModel("RN-Ti-64", { seed: 1 });
  const image = { size: 64, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
  const clip = (dataset: Dataset): EvaluateOptions => ({
    model,
    dataset,
    contextLength: 32,
    image,
    batchSize: 3,
    workers: 1,
  });
  const samples = [...names, ...names].map((color) => ({ color, json: { class: color } }));

  test("nothing of the model, the random numbers and the live tensors changes", async () => {
    const dataset = await write(samples);
    const digest = (one: Tensor) => createHash("sha256").update(one.data()).digest("hex");
    const state = () => scope(() => [rngState(), ...model.stateDict().values()].map(digest));
    const [before, live] = [state(), liveTensors()];
    const { results } = await evaluate({ ...clip(dataset), classes });
    expect(results.every(({ value }) => value >= 0 && value <= 1)).toBe(true);
    expect(liveTensors()).toBeLessThanOrEqual(live);
    expect(state()).toEqual(before);
    expect(model.training).toBe(true);
  });

  test("features do not depend on the size of the batches or the number of threads", async () => {
    const dataset = await write(samples);
    const encoded = async (more: { batchSize: number; workers: number }) => {
      const { ids, images, texts } = await encodeDataset({ ...clip(dataset), ...more });
      return { ids, values: [...images.toArray(), ...texts!.toArray()] };
    };
    const [one, other] = [await encoded({ batchSize: 5, workers: 1 }), await encoded({ batchSize: 2, workers: 3 })];
    expect(one.ids).toEqual(samples.map((_, id) => id));
    expect(other.ids).toEqual(one.ids);
    const largest = Math.max(...one.values.map((value, i) => Math.abs(value - other.values[i]!)));
    expect(largest).toBeLessThan(1e-5);
  });
});
