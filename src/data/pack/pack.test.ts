import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataset } from "../dataset.ts";
import type { SourceOptions } from "../sources/source.ts";
import { openPackSource } from "./open-source.ts";
import { type Packed, type PackOptions, pack } from "./pack.ts";

let folder: string;
let picture: Buffer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-pack-"));
  picture = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
    .png()
    .toBuffer();
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

async function packed(
  source: string,
  options: Partial<PackOptions & SourceOptions> = {},
): Promise<Packed & { messages: string[] }> {
  const messages: string[] = [];
  const onFault = ({ message }: { message: string }) => void messages.push(message);
  const standard = { directory: join(folder, "out"), name: "train", shardSize: 2, maxBadRate: 0.01, onFault };
  const opened = await openPackSource(join(folder, source), options);
  return { ...(await pack(opened, { ...standard, ...options })), messages };
}

/** What a training run finds in the shards. */
async function samplesOf(pattern: string): Promise<{ text: string; extension: string; json: unknown }[]> {
  const dataset = await openDataset({ shards: pattern });
  try {
    const ids = Array.from({ length: dataset.size }, (_, id) => id);
    const samples = await Promise.all(ids.map((id) => dataset.readSample(id)));
    expect(samples.every(({ image }) => image.equals(picture))).toBe(true);
    return samples.map(({ captions, extension, json }) => ({ text: captions[0]!, extension, json }));
  } finally {
    dataset.close();
  }
}

test("a folder with captions beside the pictures, its licence kept", async () => {
  write({
    "in/b.png": picture,
    "in/b.txt": "a blue bird\nthe same bird\n",
    "in/a/c.PNG": picture,
    "in/a/c.txt": "a cat",
    "in/LICENSE": "CC0",
    "in/notes.md": "-",
  });
  const { pattern, samples } = await packed("in");
  expect([pattern, samples]).toEqual([join(folder, "out/train-00000.tar"), 2]);
  expect(await samplesOf(pattern)).toEqual([
    { text: "a cat", extension: "png", json: { source: "a/c.PNG", captions: ["a cat"] } },
    { text: "a blue bird", extension: "png", json: { source: "b.png", captions: ["a blue bird", "the same bird"] } },
  ]);
  expect(readFileSync(join(folder, "out/LICENSE"), "utf8")).toBe("CC0");
});

test("sub-folders as labels", async () => {
  write({ "in/hot_dog/1.png": picture, "in/pizza/1.png": picture, "in/loose.png": picture });
  const { pattern, messages, faults } = await packed("in");
  expect(await samplesOf(pattern)).toEqual([
    { text: "hot dog", extension: "png", json: { source: "hot_dog/1.png", label: "hot_dog", captions: ["hot dog"] } },
    { text: "pizza", extension: "png", json: { source: "pizza/1.png", label: "pizza", captions: ["pizza"] } },
  ]);
  expect(messages).toEqual(["loose.png: there is no caption; skipped (1 of 2 so far)"]);
  expect(faults).toEqual({ "no-caption": 1 });
});

const table = 'filepath,title,license\na.png,"one, two",CC0\nsub/b.png,"a ""b""",MIT\n';
const tableSamples = [
  { text: "one, two", extension: "png", json: { source: "in.csv:2", license: "CC0", captions: ["one, two"] } },
  { text: 'a "b"', extension: "png", json: { source: "in.csv:3", license: "MIT", captions: ['a "b"'] } },
];

test("a CSV file with OpenCLIP's column names; paths are from its own folder", async () => {
  write({ "in.csv": table, "a.png": picture, "sub/b.png": picture });
  const { pattern } = await packed("in.csv");
  expect(await samplesOf(pattern)).toEqual(tableSamples);
});

test("a TSV file with columns of other names", async () => {
  write({ "in.tsv": "bild\tsatz\na.png\tein Satz\n", "a.png": picture });
  const { pattern } = await packed("in.tsv", { imageColumn: "bild", captionColumn: "satz" });
  expect((await samplesOf(pattern)).map(({ text }) => text)).toEqual(["ein Satz"]);
});

test("JSON lines, with a list of captions", async () => {
  write({
    "in.jsonl": '{"image": "a.png", "captions": ["one", "two"]}\n\n{"image": "a.png", "captions": []}\n',
    "a.png": picture,
  });
  const { pattern, messages } = await packed("in.jsonl");
  expect((await samplesOf(pattern)).map(({ json }) => json)).toEqual([
    { source: "in.jsonl:1", captions: ["one", "two"] },
  ]);
  expect(messages).toEqual(["in.jsonl:3: there is no caption; skipped (1 of 2 so far)"]);
});

test("rows that cannot be packed are named and left out", async () => {
  const rows = ["none.png,a", "a.pdf,c", ",d", "empty.png,e", "a.png,f"];
  write({ "in.csv": `image,caption\n${rows.join("\n")}\n`, "a.png": picture, "a.pdf": "-", "empty.png": "" });
  const { pattern, messages, shards } = await packed("in.csv");
  // Shards are cut by rows, so that a pack that goes on cuts them alike.
  expect(shards.length).toBe(3);
  expect(messages).toEqual([
    expect.stringMatching(/^in\.csv:2: .*none\.png does not exist; skipped \(1 of 2 so far\)$/),
    expect.stringMatching(/^in\.csv:3: .*a\.pdf is none of jpg, png/),
    expect.stringMatching(/^in\.csv:4: no picture is named/),
    expect.stringMatching(/^in\.csv:5: .*empty\.png is empty/),
  ]);
  expect((await samplesOf(pattern)).map(({ text }) => text)).toEqual(["f"]);
});

test("a pack that was stopped goes on, and comes to the same shards", async () => {
  write({ "in.csv": `image,caption\n${"a.png,x\n".repeat(7)}`, "a.png": picture });
  const whole = await packed("in.csv");
  expect([whole.shards.length, whole.samples]).toEqual([4, 7]);
  const shards = readdirSync(join(folder, "out")).filter((name) => name.endsWith(".tar"));
  const before = shards.map((name) => readFileSync(join(folder, "out", name)));
  rmSync(join(folder, "out", shards[2]!));
  write({ [`out/${shards[2]}.partial`]: "cut" });
  const again = await packed("in.csv");
  expect([again.shards.length, again.samples, again.pattern]).toEqual([4, 2, whole.pattern]);
  expect(shards.map((name) => readFileSync(join(folder, "out", name)))).toEqual(before);
  expect(readdirSync(join(folder, "out"))).toEqual(["pack.json", ...shards]);
});

test("what is there of another source is not mixed with this one", async () => {
  write({ "in.csv": table, "a.png": picture, "sub/b.png": picture });
  await packed("in.csv");
  utimesSync(join(folder, "in.csv"), 1, 1);
  await expect(packed("in.csv")).rejects.toThrow(
    "out holds shards of another source, or of this one before it changed",
  );
});

test.each([
  ["nothing", {}, /nothing does not exist: a folder of pictures or a table of their paths is expected/],
  ["in.xls", { "in.xls": "-" }, /in\.xls: expected a folder, \.csv, \.tsv, \.jsonl, \.parquet or \.tar, got \.xls/],
  ["in", { "in/a.txt": "-" }, /in holds no picture \(jpg, png/],
  ["in.csv", { "in.csv": "" }, /in\.csv has no rows/],
  [
    "in.csv",
    { "in.csv": "a,b\n1,2\n" },
    /expected a column of image, one of filepath, image.* \(--image-column\), got a, b/,
  ],
  ["in.csv", { "in.csv": 'image,caption\n"a.png,x\n' }, /in\.csv: Quote Not Closed/],
  ["in.jsonl", { "in.jsonl": "[1]\n" }, /in\.jsonl:1: expected a JSON object, got \[1\]/],
])("%s is refused: %j", async (source, files, message) => {
  write(files as Record<string, string>);
  await expect(packed(source as string)).rejects.toThrow(message as RegExp);
});

test("captions that are not UTF-8 are left out, and a name that leads out of the folder is refused", async () => {
  write({
    "in/a/1.png": picture,
    "in/b.png": picture,
    "in/b.txt": Buffer.from([0x61, 0xff]),
    "in.csv": Buffer.concat([Buffer.from("image,caption\nin/a/1.png,a\nin/b.png,"), Buffer.from([0xc3, 0x28, 0x0a])]),
  });
  expect((await packed("in")).messages).toEqual(["b.png: the caption is not UTF-8; skipped (1 of 2 so far)"]);
  const table = await packed("in.csv", { directory: join(folder, "other") });
  expect(table.messages).toEqual(["in.csv:3: the caption is not UTF-8; skipped (1 of 2 so far)"]);
  await expect(packed("in", { name: "../x" })).rejects.toThrow('the shards\' name "../x" (--name): expected letters');
});

test("a row of more than 16 MB is refused", async () => {
  write({ "in.csv": `image,caption\na.png,"${"x".repeat(17 * 2 ** 20)}"\n`, "a.png": picture });
  await expect(packed("in.csv")).rejects.toThrow(/in\.csv: Max Record Size/);
});

test("rows that are all bad leave no empty shard behind", async () => {
  write({ "in.csv": "image,caption\nnone.png,x\na.png,\n", "a.png": picture });
  await expect(packed("in.csv")).rejects.toThrow(
    "in.csv: none of its 2 rows can be packed; the last: in.csv:3: there is no caption",
  );
  expect(readdirSync(join(folder, "out"))).toEqual(["pack.json"]);
});

test("too many bad rows stop it", async () => {
  write({ "in.csv": `image,caption\n${"none.png,x\n".repeat(12)}` });
  await expect(packed("in.csv")).rejects.toThrow(/too many bad samples: 11 of|too many bad samples: 12 of/);
});
