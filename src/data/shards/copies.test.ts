import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "../dataset.ts";
import { temporaryFolder, writeShards } from "../shards.fixture.ts";

let folder: string;
let cache: string;

beforeEach(() => {
  folder = temporaryFolder();
  cache = temporaryFolder();
});

async function open(shards: string, options: Partial<DatasetOptions> = {}): Promise<Dataset & { messages: string[] }> {
  const messages: string[] = [];
  const onFault = ({ message }: { message: string }): number => messages.push(message);
  return { ...(await openDataset({ shards, cache, onFault, ...options })), messages };
}

async function captionsOf(dataset: Dataset): Promise<string[]> {
  const samples = Array.from({ length: dataset.size }, (_, id) => dataset.readSample(id));
  const captions = (await Promise.all(samples)).flatMap((sample) => sample.captions);
  dataset.close();
  return captions;
}

async function gzipped(samples = 3): Promise<string> {
  await writeShards({ folder, count: 1, samples });
  const path = join(folder, "packed.tar.gz");
  writeFileSync(path, gzipSync(readFileSync(join(folder, "shard-0.tar"))));
  return path;
}

const captions = [0, 1, 2].map((i) => `caption number ${i}`);
const copies = (): string[] => readdirSync(join(cache, "shards"));

test("a shard in gzip is read from a copy, whatever its name", async () => {
  const path = await gzipped();
  expect(await captionsOf(await open(path))).toEqual(captions);
  expect(copies()).toEqual([expect.stringMatching(/^packed\.tar\.gz-[0-9a-f]{24}\.tar$/)]);
  copyFileSync(path, join(folder, "plain.tar"));
  expect(await captionsOf(await open(join(folder, "plain.tar")))).toEqual(captions);
});

test("a shard in zstd, here of two frames, is read as well", async () => {
  const path = join(folder, "three.tar.zst");
  copyFileSync(new URL("../fixtures/two-frames.tar.zst", import.meta.url), path);
  const dataset = await open(path);
  expect([dataset.size, dataset.messages]).toEqual([3, []]);
  expect(await captionsOf(dataset)).toEqual(["caption 0", "caption 1", "caption 2"]);
});

test.each(["gzip", "zstd"])("%s that is cut off has the samples before the cut", async (kind) => {
  const path = join(folder, "cut");
  if (kind === "gzip") copyFileSync(await gzipped(200), path);
  else copyFileSync(new URL("../fixtures/two-frames.tar.zst", import.meta.url), path);
  truncateSync(path, Math.floor(statSync(path).size * 0.8));
  const dataset = await open(path, { maxBadRate: 1 });
  expect(dataset.messages).toEqual([expect.stringMatching(/^cut: .*(is cut off at byte|ends at byte) \d+/)]);
  expect(dataset.size).toBeGreaterThan(0);
  expect(await captionsOf(dataset)).toHaveLength(dataset.size);
});

test("of a shard that is damaged inside its compression nothing is believed", async () => {
  const path = await gzipped(60);
  const bytes = readFileSync(path);
  const middle = Math.floor(bytes.length / 2);
  writeFileSync(path, bytes.with(middle, bytes[middle]! ^ 0x10));
  expect(() => gunzipSync(readFileSync(path))).toThrow();
  await expect(open(path)).rejects.toThrow(`no sample was found in ${path} (1 tar-header)`);
  const { size, messages } = await open(join(folder, "{packed.tar.gz,shard-0.tar}"));
  expect([size, messages]).toEqual([60, [expect.stringMatching(/^packed\.tar\.gz: cannot be unpacked: .+; skipped/)]]);
});

test("a copy is used again, and made again where it is gone or the shard was changed", async () => {
  const path = await gzipped();
  await captionsOf(await open(path));
  const [copy] = copies();
  const made = statSync(join(cache, "shards", copy!)).mtimeMs;
  expect(await captionsOf(await open(path))).toEqual(captions);
  expect(statSync(join(cache, "shards", copy!)).mtimeMs).toBe(made);
  const emptied = temporaryFolder();
  expect(await captionsOf(await open(path, { cache: emptied }))).toEqual(captions);
  utimesSync(path, 1, 1);
  expect(await captionsOf(await open(path))).toEqual(captions);
  expect(copies()).toHaveLength(2);
});

test("many readers at once make one copy", async () => {
  const path = await gzipped();
  const opened = await Promise.all(Array.from({ length: 8 }, () => open(path)));
  for (const dataset of opened) expect(await captionsOf(dataset)).toEqual(captions);
  expect(copies()).toHaveLength(1);
});

test("copies that are unused for longest go when there are too many", async () => {
  const path = await gzipped();
  const bytes = readFileSync(path);
  const paths = [0, 1, 2].map((i) => join(folder, `${i}.tar.gz`));
  for (const one of paths) writeFileSync(one, bytes);
  const size = statSync(join(folder, "shard-0.tar")).size;
  for (const one of paths) {
    await captionsOf(await open(one, { cacheSize: 2.5 * size }));
    // The order of use has to be told by the clock.
    const oldest = join(cache, "shards", copies().find((name) => name.startsWith(`${one.at(-8)}.tar.gz`))!);
    utimesSync(oldest, Number(one.at(-8)) + 1, statSync(oldest).mtime);
  }
  expect(copies().map((name) => name.slice(0, 8))).toEqual(["1.tar.gz", "2.tar.gz"]);
  // A data set larger than its copies may be is read all the same.
  const all = await open(join(folder, "{0,1,2}.tar.gz"), { cacheSize: 1 });
  expect(await captionsOf(all)).toHaveLength(9);
});

test("the lock of a process that died is no hindrance", async () => {
  const path = await gzipped();
  await captionsOf(await open(path));
  const copy = join(cache, "shards", copies()[0]!);
  const before = createHash("sha256").update(readFileSync(copy)).digest("hex");
  const elsewhere = temporaryFolder();
  await captionsOf(await open(path, { cache: elsewhere }));
  const other = join(elsewhere, "shards", copies()[0]!);
  writeFileSync(`${other}.lock`, "another-machine 1");
  utimesSync(`${other}.lock`, 1, 1);
  rmSync(other);
  expect(await captionsOf(await open(path, { cache: elsewhere }))).toEqual(captions);
  expect(createHash("sha256").update(readFileSync(other)).digest("hex")).toBe(before);
  expect(existsSync(`${other}.lock`)).toBe(false);
});
