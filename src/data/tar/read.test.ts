import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../shards.fixture.ts";
import { scanTar, type TarEntry, type TarProblem } from "./read.ts";
import { writeTar } from "./write.ts";

async function scan(bytes: Uint8Array): Promise<(TarEntry | TarProblem)[]> {
  const read = async (offset: number, length: number): Promise<Uint8Array> => bytes.subarray(offset, offset + length);
  const items: (TarEntry | TarProblem)[] = [];
  for await (const item of scanTar({ size: bytes.length, read })) items.push(item);
  return items;
}

/** Contents by name, and what was wrong. */
async function contents(bytes: Uint8Array): Promise<{ files: Record<string, string>; problems: string[] }> {
  const items = await scan(bytes);
  const entries = items.filter((item) => item.kind === "entry");
  const text = ({ offset, size }: TarEntry): string => Buffer.from(bytes.subarray(offset, offset + size)).toString();
  return {
    files: Object.fromEntries(entries.map((entry) => [entry.name, text(entry)])),
    problems: items.filter((item) => item.kind === "problem").map(({ cause, message }) => `${cause}: ${message}`),
  };
}

const folder = temporaryFolder();

async function written(files: Record<string, string>): Promise<Buffer> {
  const path = join(folder, "written.tar");
  await writeTar(
    path,
    Object.entries(files).map(([name, text]) => ({ name, data: Buffer.from(text) })),
  );
  return readFileSync(path);
}

const three = { "a.txt": "alpha", "b.txt": "b".repeat(1000), "c.txt": "" };

test("finds every file and its bytes", async () => {
  expect(await contents(await written(three))).toEqual({ files: three, problems: [] });
});

test.each(["ustar", "pax", "gnu", "v7"])("reads what tar writes in format %s", async (format) => {
  const root = join(folder, format);
  const long = format === "v7" || format === "ustar" ? "long" : "l".repeat(180);
  mkdirSync(join(root, "in", "deep"), { recursive: true });
  writeFileSync(join(root, "in", "deep", `${long}.txt`), "long name");
  writeFileSync(join(root, "in", "é.txt"), "not ASCII");
  const archive = join(folder, `${format}.tar`);
  execFileSync("tar", ["-c", `--format=${format}`, "-f", archive, "-C", root, "in"]);
  expect(await contents(readFileSync(archive))).toEqual({
    files: { [`in/deep/${long}.txt`]: "long name", "in/é.txt": "not ASCII" },
    problems: [],
  });
});

test("an entry that is cut off is named, with the byte", async () => {
  const tar = (await written(three)).subarray(0, 512 + 512 + 512 + 700);
  expect(await contents(tar)).toEqual({
    files: { "a.txt": "alpha" },
    problems: ["tar-cut: b.txt is cut off at byte 2236"],
  });
});

test("a cut inside a header, and one between entries, are seen", async () => {
  const tar = await written(three);
  expect((await contents(tar.subarray(0, 1024 + 100))).problems).toEqual([
    "tar-cut: is cut off at byte 1124, inside a header",
  ]);
  expect((await contents(tar.subarray(0, 1024))).problems).toEqual(["tar-cut: ends at byte 1024 without an end mark"]);
  expect((await contents(new Uint8Array())).problems).toEqual(["tar-cut: is empty"]);
});

test("a file that was never filled is seen", async () => {
  const tar = Buffer.concat([await written({ "a.txt": "alpha" }), Buffer.alloc(2 ** 21)]);
  expect((await contents(tar)).problems).toEqual([expect.stringContaining("tar-cut: ends at byte 1024 of 2099200")]);
});

test("behind a damaged header the next one is found", async () => {
  const tar = await written(three);
  tar[1024 + 3]! ^= 1;
  const { "b.txt": _, ...rest } = three;
  expect(await contents(tar)).toEqual({ files: rest, problems: ["tar-header: the header at byte 1024 is damaged"] });
});

test("what is no tar is called so", async () => {
  expect((await contents(Buffer.from("<html>".repeat(200)))).problems).toEqual(["tar-header: is not a tar file"]);
  const gzip = Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(1000, 7)]);
  expect((await contents(gzip)).problems).toEqual([expect.stringContaining("compressed with gzip")]);
});

test("a pax header with lengths that lie is refused", async () => {
  const tar = await written({ "pax.txt": "999 path=x\n", "a.txt": "alpha" });
  tar.write("x", 156);
  tar.fill(" ", 148, 156);
  tar.write(
    `${tar
      .subarray(0, 512)
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  expect(await contents(tar)).toEqual({
    files: { "a.txt": "alpha" },
    problems: ["tar-header: the x header at byte 512 is damaged"],
  });
});

test("random damage is survived, and never leads outside the file", async () => {
  const tar = await written(three);
  let state = 1;
  for (let round = 0; round < 500; round++) {
    const spoiled = Buffer.from(tar.subarray(0, (state % tar.length) + 1));
    for (let i = 0; i < 5; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 1;
      spoiled[state % spoiled.length] = state >>> 16;
    }
    for (const item of await scan(spoiled)) {
      if (item.kind === "entry") expect(item.offset + item.size).toBeLessThanOrEqual(spoiled.length);
    }
  }
});
