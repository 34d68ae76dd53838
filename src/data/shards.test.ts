import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "./shards.fixture.ts";
import { expandShards } from "./shards.ts";

let folder: string;

beforeAll(() => {
  folder = temporaryFolder();
  mkdirSync(join(folder, "sub/deep"), { recursive: true });
  for (const name of ["a-0.tar", "a-1.tar", "a-2.tar", "b.tar", "sub/c.tar", "sub/deep/d.tar", "a-0.txt"]) {
    writeFileSync(join(folder, name), "");
  }
});

async function names(patterns: string | string[]): Promise<string[]> {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  const found = await expandShards(list.map((pattern) => join(folder, pattern)));
  return found.map((path) => path.slice(folder.length + 1));
}

test("braces keep the order in which they are written", async () => {
  expect(await names("a-{2..0}.tar")).toEqual(["a-2.tar", "a-1.tar", "a-0.tar"]);
  expect(await names("{b,a-1}.tar")).toEqual(["b.tar", "a-1.tar"]);
});

test("matches of a glob are sorted", async () => {
  expect(await names("a-*.tar")).toEqual(["a-0.tar", "a-1.tar", "a-2.tar"]);
  expect(await names("a-[!1].tar")).toEqual(["a-0.tar", "a-2.tar"]);
  expect(await names("?.tar")).toEqual(["b.tar"]);
});

test("folders may be globs", async () => {
  expect(await names("s*/c.tar")).toEqual(["sub/c.tar"]);
  expect(await names("**/*.tar")).toEqual(["a-0.tar", "a-1.tar", "a-2.tar", "b.tar", "sub/c.tar", "sub/deep/d.tar"]);
  expect(await names("sub/**/d.tar")).toEqual(["sub/deep/d.tar"]);
});

test("lists keep their order, links count", async () => {
  symlinkSync(join(folder, "b.tar"), join(folder, "link-to-b"));
  expect(await names(["b.tar", "a-{0,1}.tar"])).toEqual(["b.tar", "a-0.tar", "a-1.tar"]);
  expect(await names("link*")).toEqual(["link-to-b"]);
});

test("a relative glob starts in the current folder", async () => {
  const found = await expandShards("package*.json");
  expect(found).toEqual(["package-lock.json", "package.json"]);
});

test("what does not exist is named", async () => {
  await expect(names("none-*.tar")).rejects.toThrow(/no shard matches .*none-\*\.tar/);
  await expect(names("none.tar")).rejects.toThrow(/shard .*none\.tar does not exist/);
  await expect(names("a-{0..9}.tar")).rejects.toThrow(/shard .*a-3\.tar \(of .*a-\{0\.\.9\}\.tar\) does not exist/);
  await expect(names("sub")).rejects.toThrow("is a folder or device, not a shard file");
  await expect(expandShards([])).rejects.toThrow("no shards were named");
  await expect(expandShards("")).rejects.toThrow("pattern is empty");
});

test("a shard named twice is refused", async () => {
  await expect(names(["a-*.tar", "sub/../a-1.tar"])).rejects.toThrow(/a-1\.tar is named twice/);
});

test("a list is never cut short", async () => {
  await expect(expandShards("x-{0..1000000}.tar")).rejects.toThrow("names more than 1000000 shards");
});

test("other places than files are refused by name", async () => {
  await expect(expandShards("s3://bucket/a.tar")).rejects.toThrow('"s3:" is not supported');
});
