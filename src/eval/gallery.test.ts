import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { liveTensors, tensor } from "../tensor/index.ts";
import { type GalleryOptions, makeGallery } from "./gallery.ts";

let png: Buffer;
beforeAll(async () => {
  png = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
    .png()
    .toBuffer();
});

const [count, things] = [40, 20];
/** A direction in the plane for each thing; the queries of every third one point at the next thing. */
const direction = (thing: number): number[] => [Math.cos(thing / 5), Math.sin(thing / 5)];
const isWrong = (thing: number): boolean => thing % 3 === 0;

function options(more: Partial<GalleryOptions> = {}): GalleryOptions {
  const pictures = Array.from({ length: count }, (_, i) => i % things);
  const queries = Array.from({ length: things }, (_, i) => i);
  return {
    reader: {
      key: String,
      sample: async () => ({ image: png, captions: () => ["a caption"] }),
      json: async () => undefined,
    },
    ids: pictures.map((_, i) => 100 + i),
    captions: pictures.map((thing) => `caption of ${thing}`),
    images: tensor(pictures.flatMap(direction), { shape: [count, 2] }),
    shows: Int32Array.from(pictures),
    queries: queries.map((i) => ({ text: `thing ${i}`, row: i, shows: i, kind: i < 15 ? "seen" : "held out" })),
    features: tensor(
      queries.flatMap((i) => direction(isWrong(i) ? (i + 1) % things : i)),
      { shape: [things, 2] },
    ),
    ...more,
  };
}

test("a row has the nearest pictures with score, caption, address, and whether they are right", async () => {
  const { queries } = options();
  const rows = await makeGallery(options({ queries: [queries[4]!], count: 1, nearest: 3 }));
  const image = `data:image/png;base64,${png.toString("base64")}`;
  expect(rows).toHaveLength(1);
  expect(rows[0]!.query).toBe("thing 4");
  const [first, second, third] = rows[0]!.items;
  expect(new Set([first!.id, second!.id])).toEqual(new Set([104, 124]));
  expect(first).toEqual({ id: first!.id, score: expect.closeTo(1, 5), correct: true, caption: "caption of 4", image });
  expect(third).toMatchObject({ score: expect.closeTo(Math.cos(1 / 5), 5), correct: false });
});

describe("the choice", () => {
  test("takes turns between seen and held out, right and wrong", async () => {
    const rows = await makeGallery(options({ count: 8 }));
    const kinds = rows.map(({ query, items }) => {
      const thing = Number(query.slice("thing ".length));
      expect(items[0]!.correct).toBe(!isWrong(thing));
      return `${thing < 15 ? "seen" : "held out"} ${isWrong(thing) ? "wrong" : "right"}`;
    });
    const turn = ["held out right", "held out wrong", "seen right", "seen wrong"];
    expect(kinds).toEqual([...turn, ...turn]);
  });

  test("is the same for the same seed and another for another", async () => {
    const queriesOf = async (seed: number) =>
      (await makeGallery(options({ seed, count: 6 }))).map(({ query }) => query);
    expect(await queriesOf(1)).toEqual(await queriesOf(1));
    expect(await queriesOf(1)).not.toEqual(await queriesOf(2));
  });

  test("shows each query once, and no more than there are", async () => {
    const rows = await makeGallery(options({ count: 100 }));
    expect(new Set(rows.map(({ query }) => query)).size).toBe(things);
    expect(rows).toHaveLength(things);
  });

  test.each([{ count: 0 }, { queries: [] }])("is empty for %j", async (more) => {
    expect(await makeGallery(options(more))).toEqual([]);
  });
});

test("more pictures than there are cannot be shown", async () => {
  const [row] = await makeGallery(options({ count: 1, nearest: 1000 }));
  expect(row!.items).toHaveLength(count);
});

test("no tensor stays", async () => {
  const given = options();
  const before = liveTensors();
  await makeGallery(given);
  // Fewer when garbage of another test was collected meanwhile.
  expect(liveTensors()).toBeLessThanOrEqual(before);
});
