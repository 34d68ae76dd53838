import { describe, expect, test } from "vitest";
import { createTokenizer } from "../data/tokenizer/tokenizer.ts";
import { liveTensors, type Tensor, tensor } from "../tensor/index.ts";
import type { Encoder } from "./encode.ts";
import { buildClassifier, rankClasses } from "./zeroshot.ts";

const contextLength = 16;
const tokenizer = createTokenizer({ contextLength });

/** Features [4] of a text: sums over its ids, so that each text has its own. */
function featuresOf(text: string): number[] {
  return idFeatures(tokenizer.encode(text));
}

function idFeatures(ids: readonly number[]): number[] {
  const sum = (f: (id: number, i: number) => number): number => ids.reduce((total, id, i) => total + f(id, i), 0);
  return [sum((id) => Math.sin(id)), sum((id) => Math.cos(id)), sum((id, i) => Math.sin(id * (i + 1))), 1];
}

const model: Encoder = {
  training: false,
  train: () => undefined,
  encodeImage: (images) => images,
  encodeText(tokens: Tensor): Tensor {
    const [rows, width] = tokens.shape as [number, number];
    const ids = tokens.toArray();
    const features = Array.from({ length: rows }, (_, row) =>
      idFeatures(ids.slice(row * width, (row + 1) * width).filter((id) => id !== 0)),
    );
    return tensor(features.flat(), { shape: [rows, 4] });
  },
};

const unit = (row: readonly number[]): number[] => row.map((value) => value / Math.hypot(...row));

function build(names: readonly string[], templates: readonly string[], batchSize = 3) {
  return buildClassifier({
    model,
    classes: { templates, classes: names.map((name) => ({ name })) },
    contextLength,
    batchSize,
  });
}

describe("the classifier", () => {
  const names = ["cat", "hot dog", "cat on a mat"];
  const templates = ["{}", "a photo of a {}.", "the {c}"];

  test("is the normalised mean of the normalised features in each template", async () => {
    const { weights } = await build(names, templates);
    const expected = names.flatMap((name) => {
      const features = templates.map((template) => unit(featuresOf(template.replace(/\{c?\}/, name))));
      return unit([0, 1, 2, 3].map((k) => features.reduce((sum, row) => sum + row[k]!, 0) / templates.length));
    });
    expect(weights.shape).toEqual([3, 4]);
    for (const [i, value] of weights.toArray().entries()) expect(value).toBeCloseTo(expected[i]!, 5);
  });

  test("gives classes that the model cannot tell apart one row", async () => {
    const { names: rows, rowOf, weights } = await build(["cat", "dog", " CAT ", "bird"], ["{}"]);
    expect(rows).toEqual(["cat", "dog", "bird"]);
    expect([...rowOf]).toEqual([0, 1, 0, 2]);
    expect(weights.shape).toEqual([3, 4]);
  });

  test("leaves no tensor but its weights", async () => {
    const before = liveTensors();
    (await build(names, templates, 2)).weights.free();
    // Fewer when garbage of another test was collected meanwhile.
    expect(liveTensors()).toBeLessThanOrEqual(before);
  });

  test.each([
    { classes: [], templates: ["{}"], message: "expected class names, found none" },
    { classes: [{ name: "cat" }], templates: [], message: "expected at least one template, found none" },
  ])("refuses: $message", async ({ message, ...classes }) => {
    await expect(buildClassifier({ model, classes, contextLength, batchSize: 2 })).rejects.toThrow(message);
  });

  test("refuses features that are no numbers, and names the text", async () => {
    const broken: Encoder = { ...model, encodeText: (tokens) => model.encodeText(tokens).mul(Number.NaN) };
    const classes = { templates: ["a {}"], classes: [{ name: "cat" }] };
    const building = buildClassifier({ model: broken, classes, contextLength, batchSize: 2 });
    await expect(building).rejects.toThrow('the features of the class text "a cat" have the norm NaN');
  });
});

test("a picture's class is ranked among all classes, and pictures without a class are left out", () => {
  const weights = tensor([1, 0, 0, 1, 0.6, 0.8], { shape: [3, 2] });
  const classifier = { weights, names: ["right", "up", "between"], rowOf: Int32Array.of(0, 1, 2, 1) };
  const images = tensor([1, 0, 0, 1, 1, 0, 0.8, 0.6], { shape: [4, 2] });
  // Products of the last picture: 0.8, 0.6, 0.96.
  const { ranks, rows } = rankClasses({ images, classifier, labels: Int32Array.of(0, 3, -1, 1) });
  expect(rows).toEqual([0, 1, 3]);
  expect([...ranks.above]).toEqual([0, 0, 2]);
  expect([...ranks.competitors]).toEqual([2, 2, 2]);
});
