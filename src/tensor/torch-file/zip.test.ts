import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { numbers, zipOf } from "./zip.fixture.ts";
import { ZipFile } from "./zip.ts";

const folder = mkdtempSync(join(tmpdir(), "zip-"));
afterAll(() => rmSync(folder, { recursive: true }));

function withZip<T>(bytes: Buffer, body: (zip: ZipFile) => T): T {
  const path = join(folder, "file.zip");
  writeFileSync(path, bytes);
  const zip = new ZipFile(path);
  try {
    return body(zip);
  } finally {
    zip.close();
  }
}

test("entries are listed and read, also with a comment behind them", () => {
  const bytes = zipOf({ "a/b": "one", c: "" });
  bytes.writeUInt16LE(5, bytes.length - 2);
  withZip(Buffer.concat([bytes, Buffer.from("hello")]), (zip) => {
    expect([...zip.entries.keys()]).toEqual(["a/b", "c"]);
    expect([zip.read("a/b").toString(), zip.read("c").length]).toEqual(["one", 0]);
    expect(() => zip.read("d")).toThrow('the entry "d" is missing');
  });
});

test("damage is found by the checksum, and not asked about where there is none", () => {
  for (const unchecked of [false, true]) {
    const bytes = zipOf({ a: "one", b: "two" }, { unchecked });
    bytes[bytes.indexOf("one")]! ^= 1;
    withZip(bytes, (zip) => {
      if (unchecked) expect(zip.read("a").toString()).toBe("nne");
      else expect(() => zip.read("a")).toThrow('the entry "a" is damaged: its checksum differs');
      expect(zip.read("b").toString()).toBe("two");
    });
  }
});

test("two entries of one name are refused", () => {
  const bytes = Buffer.from(zipOf({ aa: "1", ab: "2" }).toString("latin1").replaceAll("ab", "aa"), "latin1");
  expect(() => withZip(bytes, () => undefined)).toThrow("the list of its entries is damaged");
});

test("entries beyond 4 GiB are found through zip64", () => {
  const [path, start, name, data] = [join(folder, "large.zip"), 2 ** 32 + 64, Buffer.from("far"), Buffer.from("away")];
  const local = Buffer.concat([numbers([0x04034b50, 4], [0, 22], [3, 2], [0, 2]), name, data]);
  const wide = numbers([1, 2], [8, 2], [start, 8]); // of what does not fit only the offset is wide
  const central = Buffer.concat([
    numbers(
      [0x02014b50, 4],
      [0, 8],
      [0, 4],
      [crc32(data), 4],
      [4, 4],
      [4, 4],
      [3, 2],
      [wide.length, 2],
      [0, 10],
      [0xffffffff, 4],
    ),
    name,
    wide,
  ]);
  const directory = start + local.length;
  const end = directory + central.length;
  const records = Buffer.concat([
    numbers([0x06064b50, 4], [44, 8], [0, 12], [1, 8], [1, 8], [central.length, 8], [directory, 8]),
    numbers([0x07064b50, 4], [0, 4], [end, 8], [1, 4]),
    numbers([0x06054b50, 4], [0, 4], [0xffff, 2], [0xffff, 2], [0xffffffff, 4], [0xffffffff, 4], [0, 2]),
  ]);
  const file = openSync(path, "w"); // a hole, which takes no room on the disk
  writeSync(file, Buffer.concat([local, central, records]), 0, undefined, start);
  closeSync(file);
  const zip = new ZipFile(path);
  expect([zip.locate("far").offset, zip.read("far").toString()]).toEqual([start + 33, "away"]);
  zip.close();
});
