import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LocalStorage } from "./local.ts";

const storage = new LocalStorage();
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-local-"));
  path = join(folder, "a b#c.txt");
  writeFileSync(path, "0123456789");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("parts and the whole, by path and by URL", async () => {
  for (const location of [path, pathToFileURL(path).href]) {
    const { size, version, ranges } = await storage.stat(location);
    expect({ size, ranges }).toEqual({ size: 10, ranges: true });
    const read = async (offset: number, length: number): Promise<string> =>
      Buffer.from(await storage.read(location, { offset, length, version })).toString();
    expect(await read(2, 3)).toBe("234");
    expect(await read(8, 9)).toBe("89");
    expect(await read(20, 9)).toBe("");
    let whole = "";
    for await (const chunk of storage.stream(location)) whole += Buffer.from(chunk).toString();
    expect(whole).toBe("0123456789");
  }
});

test("a file that is another by now", async () => {
  const { version } = await storage.stat(path);
  utimesSync(path, 1, 1);
  await expect(storage.read(path, { offset: 0, length: 1, version })).rejects.toMatchObject({ kind: "changed" });
  truncateSync(path, 3);
  const stream = storage.stream(path, { version })[Symbol.asyncIterator]();
  await expect(stream.next()).rejects.toThrow(`${path}: was changed since it was opened`);
});

test("what is not there, or no file, or not to be read", async () => {
  await expect(storage.stat(join(folder, "no"))).rejects.toMatchObject({ kind: "not-found" });
  await expect(storage.stat(folder)).rejects.toThrow("is a folder or device, not a file");
  chmodSync(path, 0);
  if (process.getuid?.() !== 0)
    await expect(storage.read(path, { offset: 0, length: 1, version: "" })).rejects.toMatchObject({ kind: "denied" });
});

test("a copy is written whole, in folders that are made for it; a list is of what begins alike", async () => {
  const copies = ["out/x/1", "out/x/2", "out/y", "out.txt"].map((name) => join(folder, name));
  for (const copy of copies) await storage.write(copy, path);
  expect(readFileSync(copies[0]!, "utf8")).toBe("0123456789");
  expect(await storage.list(join(folder, "out"))).toEqual([copies[3], copies[0], copies[1], copies[2]]);
  expect(await storage.list(join(folder, "out/"))).toEqual(copies.slice(0, 3));
  expect(await storage.list(pathToFileURL(join(folder, "out/x/")).href)).toEqual(
    copies.slice(0, 2).map((copy) => pathToFileURL(copy).href),
  );
  expect(await storage.list(join(folder, "nothing/at/all"))).toEqual([]);
  await storage.remove(copies[0]!);
  await storage.remove(copies[0]!);
  expect(await storage.list(join(folder, "out/x/"))).toEqual([copies[1]]);
  await expect(storage.write(copies[0]!, join(folder, "no"))).rejects.toThrow(`${join(folder, "no")}: does not exist`);
  mkdirSync(copies[0]!);
  await expect(storage.write(copies[0]!, path)).rejects.toMatchObject({ kind: "unavailable" });
  expect((await storage.list(folder)).filter((name) => name.includes("partial"))).toEqual([]);
});
