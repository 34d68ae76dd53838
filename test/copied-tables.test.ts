// Parquet files and tables of URLs, trained on directly.
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { parquetWriteFile } from "hyparquet-writer";
import { afterAll, beforeEach, expect, test } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "../src/data/dataset.ts";
import type { Fault } from "../src/data/faults.ts";
import { createLoader, type Loader } from "../src/data/loader/loader.ts";
import { picture, temporaryFolder, writeShards } from "../src/data/shards.fixture.ts";
import { createTokenizer } from "../src/data/tokenizer/tokenizer.ts";
import { FilesServer } from "./support/files-server.ts";

let folder: string;
const loaders: Loader[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  copyFileSync(join(import.meta.dirname, "../src/data/fixtures/hub.parquet"), join(folder, "hub.parquet"));
});
afterAll(() => Promise.all(loaders.map((loader) => loader.close())));

interface Opened {
  readonly dataset: Dataset;
  readonly faults: readonly Fault[];
  readonly messages: readonly string[];
}

async function open(shards: string | string[], options: Partial<DatasetOptions> = {}): Promise<Opened> {
  const [faults, messages]: [Fault[], string[]] = [[], []];
  const tell = { onFault: (fault: Fault) => faults.push(fault), onMessage: (text: string) => messages.push(text) };
  const dataset = await openDataset({ shards, cache: join(folder, "cache"), ...tell, ...options });
  dataset.close();
  return { dataset, faults, messages };
}

test("a Parquet file is copied into shards once; its rows without a picture or caption are told every time", async () => {
  const first = await open(join(folder, "hub.parquet"));
  expect(first.messages).toEqual([
    expect.stringMatching(/^hub\.parquet is copied into shards once, in .*cache\/packed\/hub-\w+ \(fastclip data pack/),
  ]);
  expect(first.dataset.size).toBe(4);
  expect(first.faults.map(({ message }) => message)).toEqual([
    "hub.parquet:4: there is no caption; skipped (1 of 6 so far)",
    "hub.parquet:6: no picture is named; skipped (2 of 6 so far)",
  ]);
  const second = await open(join(folder, "hub.parquet"));
  expect([second.messages, second.faults]).toEqual([[], first.faults]);
  expect(second.dataset.fingerprint).toBe(first.dataset.fingerprint);
  await expect(open(join(folder, "hub.parquet"), { maxBadRate: 0 })).rejects.toThrow(/too many bad samples: 2 of 6/);
});

test("the fingerprint is of the rows, not of where they lie", async () => {
  const here = await open(join(folder, "hub.parquet"));
  mkdirSync(join(folder, "other"));
  copyFileSync(join(folder, "hub.parquet"), join(folder, "other/hub.parquet"));
  const there = await open(join(folder, "other/hub.parquet"), { cache: join(folder, "other/cache") });
  expect(there.dataset.fingerprint).toBe(here.dataset.fingerprint);
});

test("a copy that lost a shard is made again", async () => {
  const first = await open(join(folder, "hub.parquet"));
  const [name] = readdirSync(join(folder, "cache/packed"));
  rmSync(join(folder, "cache/packed", name!, "hub-00000.tar"));
  const { dataset, messages } = await open(join(folder, "hub.parquet"));
  expect([dataset.size, messages.length]).toEqual([4, 1]);
  expect(dataset.fingerprint).toBe(first.dataset.fingerprint);
});

test("beside other patterns, samples lie in the order of the patterns", async () => {
  const shards = await writeShards({ folder, count: 2, samples: 3 });
  const { dataset } = await open([shards, join(folder, "hub.parquet")]);
  expect([dataset.size, dataset.patternStarts]).toEqual([10, [0, 6, 10]]);
  expect((await dataset.readSample(6)).captions).toEqual(["a circle", "a round shape"]);
  expect((await dataset.readSample(5)).captions).toEqual(["caption number 5"]);
});

test("Parquet files with paths are read where the pictures lie", async () => {
  writeFileSync(join(folder, "a.png"), await picture(1));
  const columnData = [
    { name: "image", data: ["a.png", "http://127.0.0.1/b.png"] },
    { name: "text", data: ["a", "b"] },
  ];
  parquetWriteFile({ filename: join(folder, "paths.parquet"), columnData });
  const { dataset, messages, faults } = await open(join(folder, "paths.parquet"));
  expect([dataset.size, messages]).toEqual([1, []]);
  expect(faults[0]!.message).toMatch(/^paths\.parquet:2: http:\S+ is not a local file; skipped/);
  expect((await dataset.readSample(0)).image).toEqual(await picture(1));
});

test("the loader trains on a Parquet file, and takes one of several captions", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => i);
  const image = await Promise.all(rows.map((row) => picture(row)));
  const text = rows.map((row) => [`first ${row}`, `second ${row}`]);
  const schema = [
    { name: "root", num_children: 2 },
    { name: "image", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
    { name: "text", num_children: 1, repetition_type: "OPTIONAL", converted_type: "LIST" },
    { name: "list", num_children: 1, repetition_type: "REPEATED" },
    { name: "element", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ] as const;
  const columnData = [
    { name: "image", data: image },
    { name: "text", data: text },
  ];
  parquetWriteFile({ filename: join(folder, "a.parquet"), columnData, schema: [...schema], rowGroupSize: 5 });
  const { dataset } = await open(join(folder, "a.parquet"));
  const contextLength = 8;
  const loader = createLoader({
    ...{ dataset, batchSize: 6, workers: 2, seed: 1, contextLength, dropLast: true, order: { kind: "ids" } },
    image: { size: 8, mode: "train", mean: [0, 0, 0], std: [1, 1, 1] },
  });
  loaders.push(loader);
  const tokenizer = createTokenizer({ contextLength });
  const tokensOf = (caption: string): string => {
    const row = new Int32Array(contextLength);
    tokenizer.encodeInto(caption, row);
    return row.join();
  };
  /** Of each sample that came, which of its captions came with it. */
  const chosen: number[] = [];
  for (const epoch of [0, 1])
    for await (const { ids, tokens, size, release } of loader.epoch(epoch)) {
      for (let i = 0; i < size; i++) {
        const came = tokens.slice(i * contextLength, (i + 1) * contextLength).join();
        chosen.push(text[Number(ids[i])]!.map(tokensOf).indexOf(came));
      }
      release();
    }
  expect(chosen).toHaveLength(24);
  expect(new Set(chosen)).toEqual(new Set([0, 1]));
});

test("a table of URLs is downloaded once; above the rate of failures it is refused", async () => {
  const server = await new FilesServer().listen();
  for (let i = 0; i < 5; i++) server.files.set(`/${i}.png`, { body: await picture(i) });
  const rows = [0, 1, 2, 3, 4, 5].map((i) => `${server.url}/${i}.png\tcaption ${i}`);
  writeFileSync(join(folder, "urls.tsv"), `url\tcaption\n${rows.join("\n")}\n`);
  await expect(open(join(folder, "urls.tsv"), { maxBadRate: 0 })).rejects.toThrow(
    /too many bad samples: 1 of 6 .* urls\.tsv:7: .*answered 404/,
  );
  const { dataset, faults } = await open(join(folder, "urls.tsv"));
  expect(faults.map(({ cause, key }) => [cause, key])).toEqual([["no-picture", "urls.tsv:7"]]);
  const asked = server.asked.length;
  await server.close();
  await open(join(folder, "urls.tsv"));
  expect(asked).toBe(12);
  expect((await dataset.readSample(4)).image).toEqual(await picture(4));
});

test("a Parquet file on a server is copied too", async () => {
  const server = await new FilesServer().listen();
  server.files.set("/a%20b/hub.parquet", { body: readFileSync(join(folder, "hub.parquet")) });
  const here = await open(join(folder, "hub.parquet"));
  const there = await open(`${server.url}/a%20b/hub.parquet`);
  await server.close();
  expect(there.messages).toHaveLength(1);
  expect(there.dataset.fingerprint).toBe(here.dataset.fingerprint);
});

test("of several processes that open it together, one makes the copy", async () => {
  const settings = { shards: join(folder, "hub.parquet"), cache: join(folder, "cache") };
  const program = `
    import { openDataset } from ${JSON.stringify(join(import.meta.dirname, "../src/data/dataset.ts"))};
    const { size, fingerprint, close } = await openDataset({ ...${JSON.stringify(settings)}, onMessage: console.error });
    close();
    console.log(size, fingerprint);`;
  const root = resolve(import.meta.dirname, "..");
  const run = (): Promise<{ stdout: string; stderr: string }> =>
    promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], { cwd: root });
  const done = await Promise.all([run(), run(), run()]);
  expect(new Set(done.map(({ stdout }) => stdout)).size).toBe(1);
  expect(done.filter(({ stderr }) => stderr.includes("is copied into shards"))).toHaveLength(1);
});
