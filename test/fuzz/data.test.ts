// Damaged data: tar files, shards, and tables of pictures.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDataset } from "../../src/data/dataset.ts";
import { SampleError } from "../../src/data/faults.ts";
import type { Shard } from "../../src/data/segments/shard.ts";
import { parquetSource } from "../../src/data/sources/parquet.ts";
import { type TableOptions, tableSource } from "../../src/data/sources/table.ts";
import { scanTar } from "../../src/data/tar/read.ts";
import { writeTar } from "../../src/data/tar/write.ts";
import { fuzz } from "../support/mutations.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

let tar: Buffer;
beforeAll(async () => {
  const path = join(folder, "whole.tar");
  const samples = ["a", "b", "c"].flatMap((key) => [
    { name: `${key}.png`, data: Buffer.from(`not looked at here ${key}`.repeat(30)) },
    { name: `${key}.txt`, data: Buffer.from(`caption ${key}`) },
    { name: `${key}.json`, data: Buffer.from(`{"caption":"json ${key}"}`) },
  ]);
  await writeTar(path, samples);
  tar = Buffer.concat([readFileSync(path).subarray(0, -1024), extended, Buffer.alloc(1024)]);
});

const blockSize = 512;

/** A header of a tar entry; its checksum is still to be made. */
function header(name: string, type: string, size: number): Buffer {
  const block = Buffer.alloc(blockSize);
  block.write(name, 0);
  block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  block.write(type, 156);
  block.write("ustar\0" + "00", 257);
  makeSum(block);
  return block;
}

function makeSum(block: Buffer): void {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
}

/** Makes the checksums of all headers right again, where they still lie at the start of a block. */
function makeSums(bytes: Buffer): void {
  for (let at = 0; at + blockSize <= bytes.length; at += blockSize) {
    const block = bytes.subarray(at, at + blockSize);
    if (block.toString("latin1", 257, 262) === "ustar") makeSum(block);
  }
}

const content = (text: string): Buffer =>
  Buffer.concat([Buffer.from(text), Buffer.alloc(blockSize)]).subarray(0, blockSize);

/** An entry whose name and size stand in a pax header, one with GNU's long name, and a folder. */
const extended = Buffer.concat([
  header("pax", "x", 35),
  content("15 path=d/d.txt\n9 size=5\n11 mtime=1\n"),
  header("other", "0", 0),
  content("hello"),
  header("././@LongLink", "L", 8),
  content("e/e.json"),
  header("cut", "0", 2),
  content("{}"),
  header("f", "5", 0),
]);

test.each([false, true])(
  "a damaged tar gives entries that lie in it (checksums made right: %s)",
  async (isRepaired) => {
    const read = async (bytes: Buffer): Promise<void> => {
      let end = 0;
      for await (const item of scanTar({
        size: bytes.length,
        read: (offset, length) => slice(bytes, offset, length),
      })) {
        if (item.kind === "problem") {
          expect(item.message).not.toMatch(/undefined|NaN/);
          continue;
        }
        expect(Number.isSafeInteger(item.size) && item.size >= 0 && item.offset >= end + blockSize).toBe(true);
        end = item.offset + item.size;
        expect(end).toBeLessThanOrEqual(bytes.length);
      }
    };
    await fuzz(tar, { seed: 2, count: 1000, read, ...(isRepaired && { repair: makeSums }) });
  },
);

/** Reading is asked for nothing that is not there, and for no more than a name may have. */
async function slice(bytes: Buffer, offset: number, length: number): Promise<Uint8Array> {
  expect(offset >= 0 && offset < bytes.length && length <= 2 ** 20, `${length} bytes at ${offset}`).toBe(true);
  return bytes.subarray(offset, offset + length);
}

test("a damaged shard gives samples that lie in it", async () => {
  const path = join(folder, "damaged.tar");
  const read = async (bytes: Buffer): Promise<void> => {
    writeFileSync(path, bytes);
    const dataset = await openDataset({ shards: path, maxBadRate: 1 });
    try {
      for (let id = 0; id < dataset.size; id++) await readSample(dataset, { id, bytes });
    } finally {
      dataset.close();
    }
  };
  await fuzz(tar, { seed: 3, count: 300, read, repair: makeSums });
});

async function readSample(
  dataset: Awaited<ReturnType<typeof openDataset>>,
  { id, bytes }: { id: number; bytes: Buffer },
): Promise<void> {
  try {
    const { image, captions } = await dataset.readSample(id);
    expect(image.length > 0 && bytes.includes(image) && captions[0]!.trim() !== "").toBe(true);
  } catch (error) {
    if (!(error instanceof SampleError)) throw error; // of one sample; the others are read on
    expect(error.fault.shard).toBe("damaged.tar");
  }
}

const tables: Readonly<Record<TableOptions["kind"], string>> = {
  ".csv": 'filepath,title,licence\na.png,"a ""red"" bird",CC0\n\nb.png,"two\nlines",\nc/d.png,é,MIT\n',
  ".tsv": "filepath\ttitle\na.png\ta bird\nb.png\ttwo words\n",
  ".jsonl": '{"image":"a.png","caption":"a bird"}\n{"image":"b.png","caption":["one","two"],"n":1e3}\n\n',
};

test.each(Object.entries(tables))("a damaged table %s gives rows of texts", async (kind, whole) => {
  const path = join(folder, `damaged${kind}`);
  const read = async (bytes: Buffer): Promise<void> => {
    writeFileSync(path, bytes);
    for await (const row of (await tableSource(path, { kind: kind as TableOptions["kind"] })).rows()) {
      const { where } = row;
      const { picture, captions, more } = await row.read();
      expect(picture === undefined || ["file", "url"].includes(picture.kind)).toBe(true);
      expect(captions.every((caption) => caption.trim() !== "")).toBe(true);
      expect(where).toMatch(/^damaged\.\w+:\d+$/);
      expect(more).toBeTypeOf("object");
    }
  };
  await fuzz(Buffer.from(whole), { seed: 4, count: 200, read });
});

test("a damaged index is made anew, or gives samples that lie in the shard", async () => {
  const shard = join(folder, "indexed.tar");
  writeFileSync(shard, tar);
  const cache = join(folder, "cache");
  const open = () => openDataset({ shards: shard, cache, maxBadRate: 1 });
  const whole = await open();
  whole.close();
  const index = (whole.table.segments[0] as Shard).table.path;
  const read = async (damaged: Buffer): Promise<void> => {
    writeFileSync(index, damaged);
    const dataset = await open();
    try {
      expect(dataset.size).toBeLessThanOrEqual(whole.size);
      for (let id = 0; id < dataset.size; id++) {
        const { image, captions } = await dataset.readSample(id);
        expect(tar.includes(image) && tar.includes(captions[0]!)).toBe(true);
      }
    } finally {
      dataset.close();
    }
  };
  await fuzz(readFileSync(index), { seed: 5, count: 400, read });
});

test("a damaged Parquet file gives rows, or says in a sentence what it is", async () => {
  const path = join(folder, "damaged.parquet");
  const whole = readFileSync(join(import.meta.dirname, "../../src/data/fixtures/hub.parquet"));
  const read = async (bytes: Buffer): Promise<void> => {
    writeFileSync(path, bytes);
    let rows = 0;
    for await (const row of (await parquetSource(path, {})).rows()) {
      const { picture, captions } = await row.read();
      expect(picture === undefined || picture.kind !== "bytes" || picture.bytes instanceof Uint8Array).toBe(true);
      expect(captions.every((caption) => caption.trim() !== "")).toBe(true);
      if (++rows > 1000) throw new Error(`${path} has more rows than bytes`);
    }
  };
  await fuzz(whole, { seed: 5, count: 300, read });
});
