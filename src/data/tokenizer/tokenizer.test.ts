import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "./tokenizer.ts";

const START = 49406;
const END = 49407;
const tokenizer = createTokenizer();

function encodeRow(text: string, contextLength = 77): number[] {
  const row = new Int32Array(contextLength).fill(-1);
  createTokenizer({ contextLength }).encodeInto(text, row);
  return [...row];
}

function padded(ids: readonly number[], length: number): number[] {
  return [...ids, ...new Array<number>(length - ids.length).fill(0)];
}

describe("ids are OpenCLIP's", () => {
  const file = join(import.meta.dirname, "../../../test/golden/tokenizer/clip-bpe.json");
  const golden = JSON.parse(readFileSync(file, "utf8")) as { contextLength: number; texts: string[]; ids: number[][] };

  test.each(golden.texts.map((text, i) => ({ text, ids: golden.ids[i]! })))("golden: $text", ({ text, ids }) => {
    expect(encodeRow(text, golden.contextLength)).toEqual(padded(ids, golden.contextLength));
  });

  // Random mixtures of scripts, misreadings, entities, control characters and broken surrogates, with the ids that
  // open_clip_torch 3.3.0 with ftfy 6.3.1 and regex 2026.11.15 on Python 3.11 gives them.
  test("400 texts that need repair", () => {
    const lines = readFileSync(join(import.meta.dirname, "tokenizer.test.jsonl"), "utf8")
      .trim()
      .split("\n");
    const cases = lines.map((line) => JSON.parse(line) as { text: string; ids: number[] });
    expect(cases).toHaveLength(400);
    for (const { text, ids } of cases) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
  });

  test.each([
    ["<start_of_text> in <END_OF_TEXT>", [START, START, 530, END, END]],
    ["I'd've 'ſ o'clock", [START, 328, 1896, 1200, 6, 129, 379, 334, 262, 6716, END]],
    ["K Å", [START, 330, 127, 354, END]],
    ["\u0345", [START, END]],
    ["&#x85;&#65279;&nbsp;x", [START, 959, 343, END]],
    ["a&amp;lt;b", [START, 320, 283, 321, END]],
    ["日本語ABC123!!", [START, 39121, 44353, 34002, 252, 5334, 272, 273, 274, 748, END]],
  ])("%j", (text, ids) => {
    expect(tokenizer.encode(text)).toEqual(ids);
  });
});

describe("encodeInto", () => {
  const cat = [START, 320, 1125, 539, 320, 2368, END];

  test("pads with 0", () => {
    expect(encodeRow("a photo of a cat", 9)).toEqual([...cat, 0, 0]);
    expect(encodeRow("a photo of a cat", 7)).toEqual(cat);
  });

  test("cuts so that the last id is the end", () => {
    expect(encodeRow("a photo of a cat", 6)).toEqual([START, 320, 1125, 539, 320, END]);
    expect(encodeRow("a photo of a cat", 2)).toEqual([START, END]);
    // A word of several ids is cut inside.
    expect(encodeRow("supercalifragilisticexpialidocious", 4)).toEqual([
      ...tokenizer.encode("supercalifragilisticexpialidocious").slice(0, 3),
      END,
    ]);
  });

  test("gives the start of encode's ids, however long the text", () => {
    const lines = ["cafÃ© &amp; bar", "plain words in a line", "“quotes” it’s", "日本語\ttext", "<b>&eacute;</b>"];
    const text = Array.from({ length: 20_000 }, (_, i) => lines[(i * i + (i >> 3)) % lines.length]).join("\n");
    const ids = tokenizer.encode(text);
    const length = 5000;
    expect(encodeRow(text, length)).toEqual([...ids.slice(0, length - 1), END]);
  });

  test("refuses a row of another length", () => {
    expect(() => tokenizer.encodeInto("a cat", new Int32Array(76))).toThrow(
      "a row must hold contextLength = 77 ids, got one of 76",
    );
  });
});

describe("bad input", () => {
  test("text without words is the start and the end", () => {
    for (const text of ["", "  \t\n", "\0\x07\ufeff", "&#1;"]) expect(tokenizer.encode(text)).toEqual([START, END]);
  });

  test("unpaired surrogates are U+FFFD", () => {
    expect(tokenizer.encode("\ud83d cat \udc00")).toEqual(tokenizer.encode("\ufffd cat \ufffd"));
  });

  test("what is no string is refused", () => {
    expect(() => tokenizer.encode(null as unknown as string)).toThrow("a caption must be a string, got null");
    expect(() => tokenizer.encodeInto(3 as unknown as string, new Int32Array(77))).toThrow("got number");
  });

  test("a context without room for the start and the end is refused", () => {
    for (const contextLength of [1, 0, 7.5, Number.NaN])
      expect(() => createTokenizer({ contextLength })).toThrow("a whole number of at least 2");
  });

  const length = 100_000_000;
  test.each([
    ["one word", "a".repeat(length), "a".repeat(10_000)],
    ["many words", "a photo of a cat ".repeat(length / 17), "a photo of a cat ".repeat(100)],
    ["mojibake", "Ã©".repeat(length / 2), "é".repeat(10_000)],
    ["spaces", `${" ".repeat(length)}cat`, "cat"],
  ])("100 MB of %s take seconds", (_, text, short) => {
    const start = performance.now();
    expect(encodeRow(text)).toEqual(encodeRow(short));
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

test("two tokenizers of one thread share nothing but the vocabulary", () => {
  const other = createTokenizer({ contextLength: 16 });
  expect(other.contextLength).toBe(16);
  expect(tokenizer.contextLength).toBe(77);
  expect(other.vocabSize).toBe(49_408);
  expect(other.encode("a cat")).toEqual(tokenizer.encode("a cat"));
});
