import { describe, expect, test } from "vitest";
import { liveTensors, type Tensor, tensor } from "../tensor/index.ts";
import { type Encoder, encodeTexts, inEvalMode, unitFeatures, unitNorm } from "./encode.ts";

/** An encoder whose text features are [sum of ids, 1]; it remembers what it was asked. */
class Counting implements Encoder {
  training = true;
  readonly asked: number[][] = [];
  train(training = true): void {
    this.training = training;
  }
  encodeImage(images: Tensor): Tensor {
    return images;
  }
  encodeText(tokens: Tensor): Tensor {
    const [rows, width] = tokens.shape as [number, number];
    this.asked.push([rows, width]);
    const ids = tokens.toArray();
    const features = Array.from({ length: rows }, (_, row) => {
      const sum = ids.slice(row * width, (row + 1) * width).reduce((a, b) => a + b, 0);
      return [sum, 1];
    });
    return tensor(features.flat(), { shape: [rows, 2] });
  }
}

const name = (row: number): string => `text ${row}`;

describe("texts", () => {
  const rows = [
    [9, 1, 2, 8, 0, 0],
    [9, 8, 0, 0, 0, 0],
    [9, 1, 2, 8, 0, 0],
    [9, 3, 8, 0, 0, 0],
    [9, 8, 0, 0, 0, 0],
  ];
  const options = { tokens: Int32Array.from(rows.flat()), contextLength: 6, name };

  test("features come in the order of the rows and are of unit norm", async () => {
    const features = await encodeTexts({ ...options, model: new Counting(), batchSize: 2 });
    expect(features.shape).toEqual([5, 2]);
    const [values, expected] = [
      features.toArray(),
      [20, 17, 20, 20, 17].flatMap((s) => [s, 1].map((x) => x / Math.hypot(s, 1))),
    ];
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  });

  test("each different text is encoded once, in batches of like length without the padding", async () => {
    const model = new Counting();
    await encodeTexts({ ...options, model, batchSize: 2 });
    expect(model.asked).toEqual([
      [2, 3],
      [1, 4],
    ]);
  });

  test("progress ends at the number of texts", async () => {
    const done: number[] = [];
    await encodeTexts({ ...options, model: new Counting(), batchSize: 1, onProgress: (count) => done.push(count) });
    expect(done).toEqual([2, 3, 5]);
  });

  test("no other tensor stays, also when encoding fails half way", async () => {
    const before = liveTensors();
    (await encodeTexts({ ...options, model: new Counting(), batchSize: 1 })).free();
    const failing = new Counting();
    failing.encodeText = (tokens) => {
      if (tokens.size(1) === 4) throw new Error("out of memory");
      return new Counting().encodeText(tokens);
    };
    await expect(encodeTexts({ ...options, model: failing, batchSize: 1 })).rejects.toThrow("out of memory");
    // Fewer when garbage of another test was collected meanwhile.
    expect(liveTensors()).toBeLessThanOrEqual(before);
  });
});

describe("unit norm", () => {
  test("divides each row by its norm", () => {
    expect(unitNorm(tensor([3, 4, 0, 2], { shape: [2, 2] }), name).toArray()).toEqual([
      expect.closeTo(0.6, 6),
      expect.closeTo(0.8, 6),
      0,
      1,
    ]);
  });

  test.each([NaN, Infinity])("%d is an error that names the row", (value) => {
    const features = tensor([1, 1, value, 1], { shape: [2, 2] });
    expect(() => unitNorm(features, name)).toThrow(`the features of text 1 have the norm ${value}; expected finite`);
  });

  test("so is a row of zeros", () => {
    expect(() => unitNorm(tensor([0, 0], { shape: [1, 2] }), name)).toThrow("the features of text 0 have the norm 0");
  });
});

test("features are float32 and without gradient, also in bfloat16", () => {
  const weight = tensor([1, 2, 3, 4], { shape: [2, 2] }).requireGrad();
  const input = tensor([1, 1], { shape: [1, 2] });
  const features = unitFeatures(() => input.mm(weight), { compute: { precision: "amp_bf16" }, name });
  expect(features.dtype).toBe("float32");
  expect(features.requiresGrad).toBe(false);
  expect(features.toArray()).toEqual([
    expect.closeTo(4 / Math.hypot(4, 6), 5),
    expect.closeTo(6 / Math.hypot(4, 6), 5),
  ]);
});

test.each([true, false])("training = %s is put back, also after an error", async (training) => {
  const model = new Counting();
  model.train(training);
  expect(await inEvalMode(model, async () => model.training)).toBe(false);
  expect(model.training).toBe(training);
  const failing = inEvalMode(model, () => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
  expect(model.training).toBe(training);
});
