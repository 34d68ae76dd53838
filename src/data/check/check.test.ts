import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../dataset.ts";
import type { Fault } from "../faults.ts";
import { picture, temporaryFolder } from "../shards.fixture.ts";
import { type TarEntry, writeTar } from "../tar/write.ts";
import { type CheckOptions, checkData } from "./check.ts";
import { allocateColumns } from "./columns.ts";
import { formatReport } from "./format.ts";
import type { CheckReport } from "./report.ts";
import { measureAll } from "./threads.ts";

const folder = temporaryFolder();
const shards = [join(folder, "shard-*.tar")];

function sample(key: string, image: Buffer | undefined, text: string | Buffer | undefined, kind = "png"): TarEntry[] {
  return [
    ...(image === undefined ? [] : [{ name: `${key}.${kind}`, data: image }]),
    ...(text === undefined ? [] : [{ name: `${key}.txt`, data: Buffer.from(text) }]),
  ];
}

/** Of all shards, by one thread. */
let report: CheckReport & { list: Fault[] };

const longCaption = `the ${"cat ".repeat(99)}`.trim();

beforeAll(async () => {
  const cat = await picture(1);
  const wide = await sharp({ create: { width: 40, height: 10, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  const first = [
    sample("cat", cat, "two cats"),
    sample("again", cat, "the same two cats"),
    // The model reads what it reads for "cat".
    sample("written", await picture(2), "Two  CATS\n"),
    sample("damaged", cat.subarray(0, 60), "two dogs"),
    sample("mute", cat, undefined),
    sample("blind", undefined, "two birds"),
    sample("cat", cat, "two cats"),
  ];
  const second = [
    sample("cat", cat, "two cats"),
    sample("long", await picture(3), longCaption),
    sample("short", await picture(4), "cat"),
    sample("name", await picture(5), "IMG_2034.JPG"),
    sample("bytes", cat, Buffer.from([0x61, 0xff])),
    sample("blank", cat, " \n"),
    sample("wide", wide, "eine kleine graue Katze schläft auf dem Küchentisch", "jpg"),
    sample("han", await picture(6, 300), "垫子上的一只猫"),
  ];
  await writeTar(join(folder, "shard-0.tar"), first.flat());
  await writeTar(join(folder, "shard-1.tar"), second.flat());
  const cut = join(folder, "shard-2.tar");
  await writeTar(cut, sample("whole", await picture(7), "a whole one").concat(sample("half", cat, "two halves")));
  // Headers and bodies in blocks of 512: the picture and the caption of "whole" are through after 4 blocks, the picture of "half" is not.
  truncateSync(cut, 5 * 512 + 20);
  report = await check();
});

async function check(options: Partial<CheckOptions> = {}): Promise<CheckReport & { list: Fault[] }> {
  const list: Fault[] = [];
  const standard = { workers: 1, batchSize: 4, contextLength: 77, imageSize: 224, maxBadRate: 0.01 };
  const report = await checkData({ shards, ...standard, onFault: (fault) => list.push(fault), ...options });
  return { ...report, list };
}

describe("shards with every trouble", () => {
  test("what training leaves out, by cause, in the order of the shards", () => {
    const { shards, samples, faults, list } = report;
    expect([shards, samples]).toEqual([3, 10]);
    expect(faults.counts).toEqual({
      "no-caption": 2,
      "no-picture": 1,
      "duplicate-key": 1,
      "tar-cut": 1,
      "bad-picture": 1,
      "bad-caption": 1,
    });
    expect(list.map(({ cause, shard, key }) => [cause, shard, key])).toEqual([
      ["no-caption", "shard-0.tar", "mute"],
      ["no-picture", "shard-0.tar", "blind"],
      ["duplicate-key", "shard-0.tar", "cat"],
      ["tar-cut", "shard-2.tar", "half"],
      ["bad-picture", "shard-0.tar", "damaged"],
      ["bad-caption", "shard-1.tar", "bytes"],
      ["no-caption", "shard-1.tar", "blank"],
    ]);
    expect(faults.examples["no-caption"]).toEqual([
      "shard-0.tar: mute has no .txt",
      "shard-1.tar: the caption of blank is empty",
    ]);
    expect(faults.examples["bad-picture"]).toEqual(["shard-0.tar: damaged.png is cut off at byte 60"]);
  });

  test("equal samples", () => {
    const { duplicates } = report.content!;
    const cats = [
      { shard: "shard-0.tar", key: "cat" },
      { shard: "shard-1.tar", key: "cat" },
    ];
    const again = { shard: "shard-0.tar", key: "again" };
    const written = { shard: "shard-0.tar", key: "written" };
    expect(duplicates).toEqual({
      picture: { samples: 3, contents: 1, largest: 3, example: [cats[0], again, cats[1]] },
      caption: { samples: 3, contents: 1, largest: 3, example: [cats[0], written, cats[1]] },
      both: { samples: 2, contents: 1, largest: 2, example: cats },
      key: { samples: 2, contents: 1, largest: 2, example: cats },
    });
  });

  test("a batch of all ten holds the three equal captions; of two, one pair in fifteen", async () => {
    const { batch, captions } = (await check({ batchSize: 10, contextLength: 102 })).content!;
    // With this context length the long caption is not cut.
    expect(captions.cut).toEqual({ samples: 0, example: undefined });
    expect(batch).toMatchObject({ size: 10, probability: 1, sampleShare: expect.closeTo(3 / 10, 12) });
    // 3 of the 45 pairs of samples.
    const pair = expect.closeTo(3 / 45, 12);
    const two = (await check({ batchSize: 2 })).content!.batch;
    expect(two).toEqual({ size: 2, probability: pair, sampleShare: pair, pairs: pair });
  });

  test("captions", () => {
    const { captions } = report.content!;
    // "two cats" has two tokens and the ends, the long one a hundred and the ends.
    expect(captions.tokens).toMatchObject({ min: 3, median: 5, max: 102 });
    expect(captions.characters).toMatchObject({ min: 3, median: 10, max: longCaption.length });
    const long = { shard: "shard-1.tar", key: "long", caption: longCaption.slice(0, 80) };
    expect(captions.cut).toEqual({ samples: 1, example: long });
    expect(captions.nearEmpty).toEqual({
      samples: 1,
      example: { shard: "shard-1.tar", key: "short", caption: "cat" },
    });
    expect(captions.fileNames).toMatchObject({ samples: 1, example: { key: "name" } });
    expect(captions.scripts).toEqual([
      { name: "Latin", samples: 9 },
      { name: "Han", samples: 1 },
    ]);
    const { guessed, unclear, tooShort } = captions.languages;
    expect(guessed).toContainEqual({ name: "de", samples: 1 });
    expect([tooShort, guessed.length + unclear]).toEqual([8, 2]);
  });

  test("pictures", () => {
    const { pictures } = report.content!;
    expect(pictures.width).toEqual({ min: 12, p5: 12, median: 12, p95: 300, max: 300 });
    expect(pictures.height).toEqual({ min: 10, p5: 10, median: 12, p95: 300, max: 300 });
    expect(pictures.aspect).toEqual({ min: 1, p5: 1, median: 1, p95: 4, max: 4 });
    expect(pictures.smaller).toEqual({ than: 224, samples: 9 });
    expect(pictures.formats).toEqual([
      { name: "png", samples: 9 },
      { name: "jpeg", samples: 1 },
    ]);
  });

  test("the report is the same for any number of threads", async () => {
    expect(await check({ workers: 3 })).toEqual(report);
  });

  test("the text says it all", () => {
    const text = formatReport(report);
    for (const expected of [
      /^samples {13}10 in 3 shards, /m,
      /^left out {12}7 \(41\.2 %\)$/m,
      /^ {2}bad-picture {7}1\n {4}shard-0\.tar: damaged\.png is cut off at byte 60$/m,
      /^caption tokens {14}3 +3 +5 +102 +102$/m,
      /^same both {11}2 \(20\.0 %\) in 1 set: cat in shard-0\.tar, cat in shard-1\.tar$/m,
      /^near-empty captions 1 \(10\.0 %\), the first short in shard-1\.tar: "cat"$/m,
      /^smaller than 224 {4}9 \(90\.0 %\)$/m,
      /^The data can be trained on\.$/m,
    ])
      expect(text).toMatch(expected);
  });
});

describe("whether it can be trained on", () => {
  test("samples that cannot be read are held against the rate", async () => {
    // The 13 that the index finds hold 3 bad ones; at least 1,000 count, so that 2 are allowed. The index itself leaves out 4, which is too
    // many for it as well.
    const { problems, samples, list } = await check({ maxBadRate: 0.002 });
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^too many bad samples: 3 of \d+ .*no-picture/);
    expect(problems[1]).toBe("too many bad samples: 3 of 13 cannot be read, and --max-bad-rate 0.002 allows 2");
    // All of them are reported all the same, and once.
    expect([samples, list.length]).toEqual([10, 7]);
    expect(list.every(({ message }) => !message.includes("so far"))).toBe(true);
  });

  test("a batch must be filled", async () => {
    expect((await check({ batchSize: 14 })).problems).toEqual([
      "there are 13 pairs, fewer than one batch of 14 (--batch-size)",
    ]);
  });

  test("no whole sample at all: there is no content, and the text says so", async () => {
    const other = join(temporaryFolder(), "bad.tar");
    await writeTar(other, sample("a", Buffer.from("no picture"), "two cats"));
    const report = await check({ shards: [other], batchSize: 1, maxBadRate: 0 });
    expect([report.samples, report.content]).toEqual([0, undefined]);
    expect(formatReport(report)).toMatch(
      /^The data cannot be trained on: too many bad samples: 1 of 1 cannot be read, and --max-bad-rate 0 allows 0\.$/m,
    );
  });
});

test("captions from JSON", async () => {
  const path = join(temporaryFolder(), "json.tar");
  const json = (key: string, value: unknown) => ({ name: `${key}.json`, data: Buffer.from(JSON.stringify(value)) });
  const image = { name: "a.png", data: await picture(1) };
  await writeTar(path, [
    image,
    json("a", { alt: "two cats on a mat" }),
    { ...image, name: "b.png" },
    json("b", { title: "-" }),
  ]);
  const { content, faults } = await check({ shards: [path], captionKey: "alt" });
  expect(content!.captions.characters.max).toBe("two cats on a mat".length);
  expect(faults.examples).toEqual({ "no-caption": ['json.tar: b.json has no caption under "alt"'] });
});

test("a shard that goes while it is read is an error, and the threads end", async () => {
  const path = join(temporaryFolder(), "gone.tar");
  await writeTar(path, sample("a", await picture(1), "two cats"));
  const dataset = await openDataset({ shards: path });
  rmSync(path);
  const columns = allocateColumns(dataset.size);
  const all = measureAll({ table: dataset.table, columns, contextLength: 77, size: dataset.size, workers: 2 });
  await expect(all.next()).rejects.toThrow(/gone\.tar/);
});
