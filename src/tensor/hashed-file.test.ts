import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { partBytes, writeHashed } from "./hashed-file.ts";

const folder = mkdtempSync(join(tmpdir(), "hashed-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const linux = test.runIf(process.platform === "linux"); // /dev/full and /proc

function openFiles(path: string): number {
  const links = readdirSync("/proc/self/fd").map((file) => {
    try {
      return readlinkSync(`/proc/self/fd/${file}`);
    } catch {
      return ""; // the one of the folder's own listing
    }
  });
  return links.filter((link) => link === path).length;
}

test.each([
  { sizes: [] },
  { sizes: [0] },
  { sizes: [1] },
  { sizes: [partBytes] },
  { sizes: [partBytes + 1] },
  { sizes: [1, partBytes] },
  { sizes: [partBytes - 1, 1, 1] },
  { sizes: [5 * partBytes + 7, 3, 2 * partBytes] },
  { sizes: Array.from({ length: 20 }, () => 13 * partBytes + 1) }, // so much that the disk begins before the end
])("what was written is in the file, and is what the hash is of: $sizes", async ({ sizes }) => {
  const path = join(folder, "file");
  const pieces = sizes.map((size, i) => Buffer.alloc(size, `piece ${i}`));
  const hash = await writeHashed(path, async (file) => {
    for (const piece of pieces) await file.write(piece);
  });
  const all = Buffer.concat(pieces);
  expect(hash).toBe(createHash("sha256").update(all).digest("hex"));
  expect(readFileSync(path).equals(all)).toBe(true);
});

linux("a full disk is an error, however late it shows, and the file is closed", async () => {
  for (const parts of [1, 2, 9]) {
    const written = writeHashed("/dev/full", (file) => file.write(Buffer.alloc(parts * partBytes, 1)));
    await expect(written).rejects.toThrow("ENOSPC");
    expect(openFiles("/dev/full")).toBe(0);
  }
});

linux("a failure of what fills the file is handed on, also after one of the disk, and the file is closed", async () => {
  for (const path of [join(folder, "failed"), "/dev/full"]) {
    const written = writeHashed(path, async (file) => {
      await file.write(Buffer.alloc(2 * partBytes));
      await setTimeout(20); // the disk's failure arrives
      throw new Error("no more");
    });
    await expect(written).rejects.toThrow("no more");
    expect(openFiles(path)).toBe(0);
  }
});
