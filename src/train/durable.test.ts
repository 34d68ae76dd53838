import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copySparse, writeFolder } from "./durable.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-durable-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a folder appears when it is filled, and not when filling fails", () => {
  const target = join(folder, "done");
  writeFolder(target, (temporary) => {
    writeFileSync(join(temporary, "file"), "whole");
    expect(existsSync(target)).toBe(false);
  });
  expect(readFileSync(join(target, "file"), "utf8")).toBe("whole");
  const fail = () =>
    writeFolder(target, (temporary) => {
      writeFileSync(join(temporary, "file"), "half");
      throw new Error("disk full");
    });
  expect(fail).toThrow("disk full");
  expect(readFileSync(join(target, "file"), "utf8")).toBe("whole");
  expect(readdirSync(folder)).toEqual(["done"]);
});

test("a copy has the same bytes and the same holes", () => {
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  const file = openSync(from, "w");
  ftruncateSync(file, 1e8);
  writeSync(file, Buffer.from("here"), 0, 4, 50_000_000);
  closeSync(file);
  copySparse(from, to);
  expect(statSync(to).size).toBe(1e8);
  expect(statSync(to).blocks * 512).toBeLessThan(10e6);
  expect(readFileSync(to).subarray(50_000_000, 50_000_004).toString()).toBe("here");
});
