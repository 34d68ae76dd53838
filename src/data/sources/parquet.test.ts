import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ColumnSource, parquetWriteFile } from "hyparquet-writer";
import { beforeEach, expect, test } from "vitest";
import { picture, temporaryFolder } from "../shards.fixture.ts";
import { type Contents, openSource, type PlaceSource, type Row, type SourceOptions } from "./source.ts";

/** Written by pyarrow, see hub.py: four rows and two, each column compressed in another way. */
const hub = join(import.meta.dirname, "../fixtures/hub.parquet");

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

function write(columnData: ColumnSource[], rowGroupSize = 100): string {
  const filename = join(folder, "a.parquet");
  parquetWriteFile({ filename, columnData, rowGroupSize });
  return filename;
}

async function contentsOf(source: PlaceSource): Promise<Contents[]> {
  const all: Contents[] = [];
  for await (const row of source.rows()) all.push(await row.read());
  return all;
}

test("the hub's layout: embedded pictures, lists of captions, and all else as JSON can say it", async () => {
  const source = await openSource(hub, {});
  expect(await source.hasFiles()).toBe(false);
  const rows = await contentsOf(source);
  const starts = rows.map(({ picture }) =>
    picture?.kind === "bytes" ? Buffer.from(picture.bytes).toString("latin1") : "",
  );
  expect(starts.map((start) => /PNG|\xff\xd8|WEBP|GIF/.exec(start)?.[0])).toEqual([
    ...["PNG", "\xff\xd8", "WEBP", "GIF", "PNG", undefined],
  ]);
  expect(rows.map(({ picture }) => picture?.kind === "bytes" && picture.name)).toEqual([
    ...["0.png", undefined, "2.webp", undefined, "4.png", false],
  ]);
  expect(rows.map(({ captions }) => captions)).toEqual([
    ...[["a circle", "a round shape"], ["a square"], ["größe"], [], ["a star"], ["nothing"]],
  ]);
  expect(JSON.parse(JSON.stringify(rows.map(({ more }) => more).slice(0, 3)))).toEqual([
    {
      license: "CC0",
      views: 1,
      score: 0.5,
      taken: "2020-01-01T00:00:00.000Z",
      labels: [1, 2],
      author: { name: "A", id: 1 },
    },
    { license: null, views: "9007199254740993", score: 0.25, taken: "2020-01-02T00:00:00.000Z", labels: [] },
    {
      license: "CC-BY-4.0",
      views: null,
      score: null,
      taken: "2020-01-03T00:00:00.000Z",
      author: { name: null, id: 3 },
    },
  ]);
});

test("rows have their places, and a group of them is read when one of them is", async () => {
  const damaged = readFileSync(hub);
  // The first picture: the first group cannot be read any more, since its page is gone.
  damaged.fill(0xff, 4, 40);
  const path = join(folder, "a.parquet");
  writeFileSync(path, damaged);
  const rows: Row[] = [];
  for await (const row of (await openSource(path, {})).rows()) rows.push(row);
  expect(rows.map(({ where }) => where)).toEqual([1, 2, 3, 4, 5, 6].map((row) => `a.parquet:${row}`));
  expect((await rows[4]!.read()).captions).toEqual(["a star"]);
  await expect(rows[0]!.read()).rejects.toThrow(/a\.parquet: cannot be read as Parquet: /);
});

test("paths are from the file's own folder, URLs are told from them, and bytes are pictures by themselves", async () => {
  const texts = ["one", "two", "three"];
  const paths = write([
    { name: "filepath", data: ["sub/a.png", " ", "/b.png"], type: "STRING" },
    { name: "TEXT", data: texts, type: "STRING" },
  ]);
  const source = await openSource(paths, {});
  expect(await source.hasFiles()).toBe(true);
  expect((await contentsOf(source)).map(({ picture }) => picture)).toEqual([
    { kind: "file", path: join(folder, "sub/a.png") },
    undefined,
    { kind: "file", path: "/b.png" },
  ]);
  const urls = write([
    { name: "URL", data: ["", "s3://b/c d.png", "x.png"], type: "STRING" },
    { name: "TEXT", data: texts, type: "STRING" },
  ]);
  const remote = await openSource(urls, {});
  expect(await remote.hasFiles()).toBe(false);
  expect((await contentsOf(remote)).map(({ picture }) => picture)).toEqual([
    undefined,
    { kind: "url", url: "s3://b/c d.png" },
    { kind: "file", path: join(folder, "x.png") },
  ]);
  const bytes = await picture(1);
  const named = write([
    { name: "thing", data: [bytes], type: "BYTE_ARRAY" },
    { name: "words", data: [Buffer.from("größe")], type: "BYTE_ARRAY" },
  ]);
  const [row] = await contentsOf(await openSource(named, { captionColumn: "words" }));
  expect(row).toEqual({ picture: { kind: "bytes", bytes: expect.anything() }, captions: ["größe"], more: {} });
  expect(row!.picture?.kind === "bytes" && Buffer.from(row!.picture.bytes).equals(bytes)).toBe(true);
});

test("a file of no rows, and one of many groups", async () => {
  const numbers = Array.from({ length: 25 }, (_, i) => `${i}`);
  const path = write(
    [
      { name: "image", data: numbers, type: "STRING" },
      { name: "text", data: numbers, type: "STRING" },
    ],
    10,
  );
  expect((await contentsOf(await openSource(path, {}))).map(({ captions }) => captions[0])).toEqual(numbers);
  const none: ColumnSource[] = ["image", "text"].map((name) => ({ name, data: [], type: "STRING" }));
  const empty = await openSource(write(none), {});
  expect([await empty.hasFiles(), await contentsOf(empty)]).toEqual([true, []]);
});

test.each<[string, Buffer, SourceOptions, RegExp]>([
  ["text", Buffer.from("image,caption\n"), {}, /a\.parquet: cannot be read as Parquet: parquet file invalid/],
  ["nothing", Buffer.alloc(0), {}, /a\.parquet: cannot be read as Parquet: /],
  ["half of it", readFileSync(hub).subarray(0, 4000), {}, /a\.parquet: cannot be read as Parquet: /],
  [
    "no such column",
    readFileSync(hub),
    { captionColumn: "x" },
    /expected a column of caption, "x" .*got image, caption, lic/,
  ],
])("%s is refused in a sentence", async (_, bytes, options, message) => {
  writeFileSync(join(folder, "a.parquet"), bytes);
  await expect(openSource(join(folder, "a.parquet"), options)).rejects.toThrow(message);
});
