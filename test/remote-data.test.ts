// Data sets that lie behind HTTP and in S3, read by the loader's threads from servers on loopback; the S3 server verifies signatures.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Dataset, type DatasetOptions, openDataset } from "../src/data/dataset.ts";
import { createLoader, type Loader } from "../src/data/loader/loader.ts";
import type { Order } from "../src/data/plan/plan.ts";
import { picture, temporaryFolder, writeShards } from "../src/data/shards.fixture.ts";
import { FilesServer } from "./support/files-server.ts";
import { rightUser, S3Server } from "./support/s3.ts";
import { useAwsVariables } from "./support/storage.ts";

const shardNames = ["shard-0.tar", "shard-1.tar", "shard-2.tar"];
const closing: (() => unknown)[] = [];
let folder: string;
// One for all tests: a thread looks for S3's address and credentials once.
let s3: S3Server;
let http: FilesServer;

beforeAll(async () => {
  s3 = await new S3Server().listen();
  http = await new FilesServer().listen();
  useAwsVariables(s3.variables());
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([s3.close(), http.close()]);
});

beforeEach(async () => {
  folder = temporaryFolder();
  await writeShards({ folder, count: 3, samples: 10 });
  for (const name of shardNames) {
    s3.put(`s3://bucket/set one/${name}`, readFileSync(join(folder, name)));
    http.files.set(`/set/${name}`, { body: readFileSync(join(folder, name)) });
  }
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  Object.assign(s3, { users: [rightUser], faultOf: () => undefined });
});

async function open(shards: string | string[], options: Partial<DatasetOptions> = {}): Promise<Dataset> {
  const dataset = await openDataset({ shards, cache: join(folder, "cache"), ...options });
  closing.push(() => dataset.close());
  return dataset;
}

function loaderOf(dataset: Dataset, order: Order): Loader {
  const image = { size: 8, mode: "train", mean: [0, 0, 0], std: [1, 1, 1] } as const;
  const loader = createLoader({
    dataset,
    batchSize: 6,
    workers: 2,
    seed: 1,
    image,
    contextLength: 8,
    order,
    dropLast: true,
  });
  closing.push(() => loader.close());
  return loader;
}

async function read(
  dataset: Dataset,
  order: Order = { kind: "global" },
): Promise<{ ids: number[]; images: number[] }[]> {
  const batches: { ids: number[]; images: number[] }[] = [];
  for await (const { ids, images, release } of loaderOf(dataset, order).epoch(0)) {
    batches.push({ ids: [...ids].map(Number), images: [...images] });
    release();
  }
  return batches;
}

const local = (options: Partial<DatasetOptions> = {}): Promise<Dataset> => open(join(folder, "shard-*.tar"), options);
const copies = (): number => readdirSync(join(folder, "cache/shards")).length;

test("the same batches come from disk, over HTTP and from S3, sample by sample", async () => {
  const expected = await read(await local());
  const overHttp = await open(`${http.url}/set/shard-{0..2}.tar`);
  const fromS3 = await open("s3://bucket/set one/shard-*.tar");
  expect(await read(overHttp)).toEqual(expected);
  expect(await read(fromS3)).toEqual(expected);
  const prints = [overHttp, fromS3].map(({ fingerprint }) => fingerprint);
  expect(prints).toEqual(new Array(2).fill((await local()).fingerprint));
  // One request for a sample: its picture and its caption lie together.
  const lengths = s3.asked.flatMap(({ headers }) => {
    const [, start, last] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? "") ?? [];
    return start === undefined ? [] : [Number(last) - Number(start) + 1];
  });
  // Beside the first bytes and the whole of each shard, for the index.
  expect(lengths.filter((length) => length > 4 && length < 10_000)).toHaveLength(30);
  expect(() => copies()).toThrow();
});

test("by windows, shards are fetched as a whole, each once", async () => {
  const order: Order = { kind: "window", segments: 2 };
  const expected = await read(await local(), order);
  const dataset = await open("s3://bucket/set one/shard-{0..2}.tar", { whole: true });
  s3.asked.length = 0;
  expect(await read(dataset, order)).toEqual(expected);
  expect(copies()).toBe(3);
  expect(s3.asked).toEqual([]);
});

test("compressed shards, and servers without ranges, are read from copies", async () => {
  const order: Order = { kind: "window", segments: 1 };
  const expected = await read(await local(), order);
  for (const name of shardNames) {
    const body = readFileSync(join(folder, name));
    s3.put(`s3://bucket/packed/${name}.gz`, gzipSync(body));
    http.files.set(`/whole/${name}`, { body, ranges: false });
  }
  expect(await read(await open("s3://bucket/packed/shard-{0..2}.tar.gz"), order)).toEqual(expected);
  expect(await read(await open(`${http.url}/whole/shard-{0..2}.tar`), order)).toEqual(expected);
  expect(copies()).toBe(6);
});

test("an index is made once, also of shards far away", async () => {
  const first = await open("s3://bucket/set one/*.tar");
  s3.asked.length = 0;
  const second = await open("s3://bucket/set one/*.tar");
  expect(second.fingerprint).toBe(first.fingerprint);
  expect(s3.asked.map(({ method, url }) => `${method} ${url.includes("list-type") ? "list" : ""}`)).toHaveLength(4);
});

test("a table in S3 names pictures beside it, and behind HTTP", async () => {
  s3.put("s3://bucket/tables/near.png", await picture(1));
  http.files.set("/far.png", { body: await picture(2) });
  s3.put("s3://bucket/tables/rows.csv", `image,text\nnear.png,a cat\n${http.url}/far.png,a dog\n`);
  const dataset = await open("s3://bucket/tables/rows.csv");
  const samples = await Promise.all([0, 1].map((id) => dataset.readSample(id)));
  expect(samples.map(({ captions }) => captions)).toEqual([["a cat"], ["a dog"]]);
  expect(samples.map(({ image }) => image)).toEqual([await picture(1), await picture(2)]);
});

describe("faults", () => {
  const set = "s3://bucket/set one/shard-{0..2}.tar";

  test("500, 503 and connections that break in the middle are tried again, and nothing is lost", async () => {
    const expected = await read(await local());
    const dataset = await open(set);
    let asked = 0;
    s3.faultOf = () => {
      asked++;
      if (asked % 5 === 0) return { kind: "status", status: 503 };
      if (asked % 7 === 0) return { kind: "reset", after: 100 };
      return asked % 11 === 0 ? { kind: "short", by: 10 } : undefined;
    };
    expect(await read(dataset)).toEqual(expected);
    expect(asked).toBeGreaterThan(30);
  });

  test("a wrong secret is said, without the secret", async () => {
    const dataset = await open(set);
    s3.users = [{ ...rightUser, secretAccessKey: "another" }];
    const failure = await read(dataset).catch((error: Error) => error.message);
    expect(failure).toMatch(/s3:\/\/bucket\/set one\/shard-\d\.tar: .*SignatureDoesNotMatch/);
    expect(failure).not.toContain(rightUser.secretAccessKey);
    await expect(open(set, { cache: temporaryFolder() })).rejects.toThrow(/SignatureDoesNotMatch/);
  });

  test("credentials that expire in the middle end the run with a sentence", async () => {
    const dataset = await open(set);
    const body = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    s3.faultOf = () => ({ kind: "status", status: 400, headers: { "content-type": "application/xml" }, body });
    await expect(read(dataset)).rejects.toThrow(/s3:\/\/bucket\/set one\/shard-\d\.tar: .*expired/i);
  });

  test("a shard that changes while it is read is noticed", async () => {
    const dataset = await open(set);
    s3.put("s3://bucket/set one/shard-1.tar", readFileSync(join(folder, "shard-0.tar")));
    await expect(read(dataset)).rejects.toThrow(/s3:\/\/bucket\/set one\/shard-1\.tar: .*PreconditionFailed/);
  });

  test("an error page in the place of a shard is no shard; one that is missing is named", async () => {
    http.files.set("/set/page.tar", { body: Buffer.from("<!DOCTYPE html><html><body>Not here</body></html>") });
    const messages: string[] = [];
    const dataset = await open(`${http.url}/set/{shard-0,page}.tar`, {
      onFault: ({ message }) => messages.push(message),
    });
    expect(dataset.size).toBe(10);
    expect(messages).toEqual([expect.stringContaining("page.tar: is cut off at byte")]);
    await expect(open(`${http.url}/set/{shard-0,none}.tar`)).rejects.toThrow(/\/set\/none\.tar: .*404/);
    await expect(open("s3://bucket/none-*.tar")).rejects.toThrow("no shard matches s3://bucket/none-*.tar");
    await expect(open(`${http.url}/set/*.tar`)).rejects.toThrow("over HTTP only braces can be expanded");
  });
});
