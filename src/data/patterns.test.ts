import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { expandPatterns, type Place } from "./patterns.ts";
import { temporaryFolder } from "./shards.fixture.ts";

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
  const found = await expandPatterns(list.map((pattern) => join(folder, pattern)));
  return found.map(({ location }) => location.slice(folder.length + 1));
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
  const found = await expandPatterns(["package*.json"]);
  expect(found.map(({ location }) => location)).toEqual(["package-lock.json", "package.json"]);
});

test("what does not exist is named", async () => {
  await expect(names("none-*.tar")).rejects.toThrow(/no shard matches .*none-\*\.tar/);
  await expect(names("none.tar")).rejects.toThrow(/shard .*none\.tar does not exist/);
  await expect(names("a-{0..9}.tar")).rejects.toThrow(/shard .*a-3\.tar \(of .*a-\{0\.\.9\}\.tar\) does not exist/);
  await expect(expandPatterns(["/dev/null"])).rejects.toThrow("shard /dev/null is neither a file nor a folder");
  await expect(expandPatterns([])).rejects.toThrow("no shards were named");
  await expect(expandPatterns([""])).rejects.toThrow("pattern is empty");
});

test("a shard named twice is refused", async () => {
  await expect(names(["a-*.tar", "sub/../a-1.tar"])).rejects.toThrow(/a-1\.tar is named twice/);
});

test("a list is never cut short", async () => {
  await expect(expandPatterns(["x-{0..1000000}.tar"])).rejects.toThrow("names more than 1000000 shards");
});

test("URLs have braces; other schemes are refused by name", async () => {
  const found = await expandPatterns(["s3://bucket/{a,b}.tar", "https://host/x/{8..10}.tar?v=1"]);
  expect(found).toEqual([
    ...["s3://bucket/a.tar", "s3://bucket/b.tar"].map((location) => ({ kind: "shard", location, pattern: 0 })),
    ...[8, 9, 10].map((n) => ({ kind: "shard", location: `https://host/x/${n}.tar?v=1`, pattern: 1 })),
  ]);
  await expect(expandPatterns(["https://host/*.tar"])).rejects.toThrow(
    "https://host/*.tar: over HTTP only braces can be expanded, as in {000..099}",
  );
  await expect(expandPatterns(["gs://bucket/a.tar"])).rejects.toThrow('"gs:" is not supported');
});

test("tables and folders are told from shards", async () => {
  writeFileSync(join(folder, "rows.CSV"), "");
  const kinds = await expandPatterns([join(folder, "sub"), join(folder, "rows.CSV"), join(folder, "b.tar")]);
  expect(kinds.map(({ kind, pattern }: Place) => [kind, pattern])).toEqual([
    ["folder", 0],
    ["table", 1],
    ["shard", 2],
  ]);
});
