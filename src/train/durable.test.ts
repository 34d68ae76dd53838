import { createHash } from "node:crypto";
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

test("a folder appears when it is filled, and not when filling fails", async () => {
  const target = join(folder, "done");
  await writeFolder(target, async (temporary) => {
    writeFileSync(join(temporary, "file"), "whole");
    expect(existsSync(target)).toBe(false);
  });
  expect(readFileSync(join(target, "file"), "utf8")).toBe("whole");
  const fail = () =>
    writeFolder(target, async (temporary) => {
      writeFileSync(join(temporary, "file"), "half");
      throw new Error("disk full");
    });
  await expect(fail()).rejects.toThrow("disk full");
  expect(readFileSync(join(target, "file"), "utf8")).toBe("whole");
  expect(readdirSync(folder)).toEqual(["done"]);
});

test("a copy has the same bytes and the same holes", () => {
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  const file = openSync(from, "w");
  ftruncateSync(file, 1e8);
  writeSync(file, Buffer.from("here"), 0, 4, 50_000_000);
  closeSync(file);
  const hash = createHash("sha256");
  copySparse(from, to, (bytes) => hash.update(bytes));
  expect(hash.digest("hex")).toBe(createHash("sha256").update(readFileSync(to)).digest("hex"));
  expect(statSync(to).size).toBe(1e8);
  expect(statSync(to).blocks * 512).toBeLessThan(10e6);
  expect(readFileSync(to).subarray(50_000_000, 50_000_004).toString()).toBe("here");
});
