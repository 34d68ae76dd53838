import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { type Dataset, openDataset } from "../dataset.ts";
import { sampleEntries, temporaryFolder, writeShards } from "../shards.fixture.ts";
import { writeTar } from "../tar/write.ts";
import { indexShard, type ShardIndex } from "./find.ts";

let folder: string;
let cache: string;
let pattern: string;

beforeEach(async () => {
  folder = temporaryFolder();
  cache = temporaryFolder();
  // The second sample of each shard has no caption.
  pattern = await writeShards({
    folder,
    count: 2,
    samples: 4,
    change: (entries, seed) => (seed % 4 === 1 ? entries.filter(({ name }) => !name.endsWith(".txt")) : entries),
  });
});

const shard = (number: number): string => join(folder, `shard-${number}.tar`);
const index = (number = 0): Promise<ShardIndex> => indexShard(shard(number), { cache, cacheSize: 1e9, whole: false });
const indexFile = (number: number): string => {
  const name = readdirSync(join(cache, "index")).find((one) => one.startsWith(`shard-${number}.tar-`))!;
  return join(cache, "index", name);
};
const open = (messages: string[] = []): Promise<Dataset> =>
  openDataset({ shards: pattern, cache, maxBadRate: 1, onFault: ({ message }) => messages.push(message) });

test("an index is made once, and opens the same data set again, faults included", async () => {
  const [before, after]: [string[], string[]] = [[], []];
  const setTime = (): void => utimesSync(shard(0), 1000, 1000);
  setTime();
  const first = await open(before);
  // A shard that is not read may as well hold other bytes.
  writeFileSync(shard(0), Buffer.alloc(statSync(shard(0)).size, 7));
  setTime();
  const made = statSync(indexFile(1)).mtimeMs;
  const second = await open(after);
  expect([first.size, first.fingerprint]).toEqual([6, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(before).toEqual([
    "shard-0.tar: 000001 has no .txt; skipped (1 of 4 so far)",
    "shard-1.tar: 000005 has no .txt; skipped (2 of 8 so far)",
  ]);
  expect(statSync(indexFile(1)).mtimeMs).toBe(made);
  expect([second.size, second.fingerprint, after]).toEqual([6, first.fingerprint, before]);
});

test("only the index of a shard that was changed is made anew", async () => {
  expect([(await index(0)).isNew, (await index(1)).isNew]).toEqual([true, true]);
  await writeTar(shard(1), [...(await sampleEntries("a", 1)), ...(await sampleEntries("b", 2))]);
  const again = await index(1);
  expect([(await index(0)).isNew, again.isNew, again.table.count]).toEqual([false, true, 2]);
  utimesSync(shard(0), 1, 1);
  expect((await index(0)).isNew).toBe(true);
});

test.each([
  ["cut off", (size: number) => [0, size - 8]],
  ["cut off inside the header", () => [0, 40]],
  ["empty", () => [0, 0]],
])("an index that is %s is made anew", async (_, change) => {
  await index();
  const path = indexFile(0);
  const [, end] = change(statSync(path).size);
  const file = openSync(path, "r+");
  ftruncateSync(file, end);
  closeSync(file);
  expect(await index()).toMatchObject({ isNew: true, table: { count: 4 } });
});

test("an index with a damaged header is made anew, of a damaged row it is said", async () => {
  const { table } = await index();
  const bytes = readFileSync(table.path);
  const flip = (at: number): void => writeFileSync(table.path, bytes.with(at, bytes[at]! ^ 1));
  flip(30);
  expect((await index()).isNew).toBe(true);
  flip(table.rowsAt + 3);
  const dataset = await openDataset({ shards: shard(0), cache, maxBadRate: 1 });
  await expect(dataset.readSample(0)).rejects.toThrow(
    /\.index is damaged at row 0: delete it, and it will be made anew/,
  );
  expect((await dataset.readSample(2)).key).toBe("000003");
  dataset.close();
});

test("an index that is replaced while it is in use is noticed", async () => {
  const dataset = await open();
  await writeTar(shard(1), await sampleEntries("a", 1));
  await index(1);
  await expect(dataset.readSample(4)).rejects.toThrow(
    /\.index was changed while it was in use; open the data set again/,
  );
  expect((await dataset.readSample(0)).key).toBe("000000");
  dataset.close();
});

test("where nothing can be kept, another folder is asked for", async () => {
  writeFileSync(join(folder, "file"), "");
  const inside = openDataset({ shards: pattern, cache: join(folder, "file/cache") });
  await expect(inside).rejects.toThrow(
    /file\/cache\/index cannot be made or written \(ENOTDIR\): name another folder for such files \(--cache-dir, or FASTCLIP_CACHE\)/,
  );
});
