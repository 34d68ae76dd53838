import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeTar } from "./write.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-tar-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const deep = `${"folder/".repeat(15)}${"n".repeat(90)}.txt`;
const entries = [
  { name: "a.txt", data: Buffer.from("scissors, cut, paper") },
  { name: "empty.json", data: new Uint8Array(0) },
  { name: "block.bin", data: Buffer.alloc(512, 7) },
  { name: "über.bin", data: Buffer.alloc(513, 9) },
  { name: deep, data: Buffer.from("deep") },
];

test("the tar command lists and extracts what was written", async () => {
  const path = join(folder, "round.tar");
  await writeTar(path, entries);
  const list = execFileSync("tar", ["--quoting-style=literal", "-tf", path], { encoding: "utf8" });
  expect(list.trim().split("\n")).toEqual(entries.map(({ name }) => name));
  for (const { name, data } of entries) {
    expect(execFileSync("tar", ["-xOf", path, name])).toEqual(Buffer.from(data));
  }
});

test("the same entries give the same bytes, in whole blocks", async () => {
  await writeTar(join(folder, "one.tar"), entries);
  await writeTar(join(folder, "two.tar"), entries);
  const bytes = readFileSync(join(folder, "one.tar"));
  expect(bytes.equals(readFileSync(join(folder, "two.tar")))).toBe(true);
  // five headers, data of 1 + 0 + 1 + 2 + 1 blocks, two closing blocks
  expect(bytes.length).toBe((5 + 5 + 2) * 512);
});

test("a name that does not fit is refused in one sentence", async () => {
  const path = join(folder, "long.tar");
  await expect(writeTar(path, [{ name: "x".repeat(101), data: new Uint8Array(0) }])).rejects.toThrow(
    /a tar name needs 1 to 100 bytes .* got 101/,
  );
  await expect(writeTar(path, [{ name: "", data: new Uint8Array(0) }])).rejects.toThrow(/got 0/);
});
