// Kinds of pictures that are met now and then, against Pillow 10.4: see odd-pictures.fixture.py.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { expect, test } from "vitest";
import { native } from "../../native/addon.ts";
import { locateEngine } from "../../native/locate.ts";
import { createRandom } from "../random.ts";
import { openPicture } from "./decode.ts";
import { hasLibjpegTurbo, openJpeg } from "./jpeg.ts";
import { PictureError, type Pixels } from "./pixels.ts";
import { type Box, decoded } from "./resample.ts";
import { decodeWithSharp } from "./sharp.ts";
import { whole } from "./whole.fixture.ts";

interface Entry {
  name: string;
  /** Of the pixels that Pillow gives. */
  sha: string;
  file: string;
}
const fixture = JSON.parse(readFileSync(new URL("odd-pictures.fixture.json", import.meta.url), "utf8")) as {
  jpeg: Entry[];
  other: Entry[];
};
const limits = { maxPixels: 1_000_000 };

function sha({ data }: Pixels): string {
  return createHash("sha256").update(data).digest("hex");
}

function bytesOf(name: string): Buffer {
  return Buffer.from([...fixture.jpeg, ...fixture.other].find((entry) => entry.name === name)!.file, "base64");
}

/** A JPEG with a slope, an edge and noise. */
async function jpeg(options: { width: number; height: number; seed: number }): Promise<Buffer> {
  const { width, height, seed } = options;
  const random = createRandom([seed]);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i % 251) / 2 + (i % 3) * 30 + random() * 40);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({
      quality: 30 + (seed % 8) * 10,
      chromaSubsampling: seed % 2 === 0 ? "4:2:0" : "4:4:4",
      progressive: seed % 3 === 0,
    })
    .toBuffer();
}

test.skipIf(!hasLibjpegTurbo).each(fixture.jpeg)("libjpeg-turbo decodes $name", ({ file, sha: expected }) => {
  expect(sha(whole(openJpeg(Buffer.from(file, "base64"), limits)))).toBe(expected);
});

test.each(fixture.jpeg)("sharp decodes $name", async ({ file, sha: expected }) => {
  expect(sha(await decodeWithSharp(Buffer.from(file, "base64"), limits))).toBe(expected);
});

test.each(fixture.other)("decodes $name", async ({ file, sha: expected }) => {
  expect(sha(whole(await openPicture(Buffer.from(file, "base64"))))).toBe(expected);
});

test.skipIf(!hasLibjpegTurbo)("libjpeg-turbo and sharp give JPEGs of all sizes the same pixels", async () => {
  for (let seed = 0; seed < 120; seed++) {
    const file = await jpeg({ width: 1 + ((seed * 7) % 53), height: 1 + ((seed * 11) % 47), seed });
    expect(whole(openJpeg(file, limits)), `seed ${seed}`).toEqual(whole(decoded(await decodeWithSharp(file, limits))));
  }
});

test.skipIf(!hasLibjpegTurbo)("a part of a JPEG is that part of all its pixels", async () => {
  const random = createRandom([5]);
  const below = (end: number): number => Math.floor(random() * end);
  const within = ({ width, height }: { width: number; height: number }): Box => {
    const [left, top] = [below(width), below(height)];
    return { left, top, width: 1 + below(width - left), height: 1 + below(height - top) };
  };
  for (let seed = 0; seed < 60; seed++) {
    const picture = openJpeg(await jpeg({ width: 60 + seed, height: 90 - seed, seed }), limits);
    const size = { width: 1 + below(50), height: 1 + below(50) };
    const resize = { box: within(picture), ...size, view: within(size) };
    expect(picture.resample(resize), `seed ${seed}`).toEqual(decoded(whole(picture)).resample(resize));
  }
});

test("what a GIF leaves transparent is black", async () => {
  const transparent = Buffer.alloc(4 * 4 * 4);
  for (let i = 0; i < 8; i++) transparent.set([200, 100, 50, 255], 4 * i);
  const file = await sharp(transparent, { raw: { width: 4, height: 4, channels: 4 } })
    .gif()
    .toBuffer();
  const { data } = whole(await openPicture(file));
  expect([...data.subarray(21, 27)]).toEqual([200, 100, 50, 0, 0, 0]);
});

test("a JPEG cut off anywhere is refused", async () => {
  for (const name of ["jpeg 4:2:0 64 x 48", "jpeg progressive", "jpeg with restart markers", "jpeg cmyk"]) {
    const file = bytesOf(name);
    for (let length = 3; length < file.length - 2; length += 23) {
      const opened = openPicture(file.subarray(0, length)).then(whole);
      await expect(opened, `${name} at ${length}`).rejects.toThrow(/^cannot be decoded: /);
    }
  }
});

// What is behind the last row libvips never reads.
test.skipIf(!hasLibjpegTurbo)("foreign bytes between the scan and the end of a JPEG are damage", async () => {
  const file = bytesOf("jpeg 4:2:0 64 x 48");
  const longer = Buffer.concat([file.subarray(0, -2), Buffer.from("not of this picture"), file.subarray(-2)]);
  await expect(openPicture(longer).then(whole)).rejects.toThrow(/^cannot be decoded: .*extraneous bytes/);
});

/** A grey-blue JPEG of one block whose channels come in scans of their own, over and over. */
async function jpegOfScans(count: number): Promise<Buffer> {
  const file = await sharp({ create: { width: 8, height: 8, channels: 3, background: "grey" } })
    .jpeg({ chromaSubsampling: "4:4:4", optimizeCoding: false })
    .toBuffer();
  const head = file.subarray(0, file.indexOf(Buffer.from([0xff, 0xda])));
  // With the tables of the standard's annex K, a block of no difference: codes 00 and 1010 for brightness, 00 and 00 for colour.
  const scans = [
    [1, 0x00, 0b00101011],
    [2, 0x11, 0b00001111],
    [3, 0x11, 0b00001111],
  ].map(([channel, tables, block]) => [0xff, 0xda, 0, 8, 1, channel!, tables!, 0, 63, 0, block!]);
  const all = Array.from({ length: count }, (_, i) => scans[i % 3]!);
  return Buffer.concat([head, Buffer.from(all.flat()), Buffer.from([0xff, 0xd9])]);
}

test.skipIf(!hasLibjpegTurbo)("a JPEG of very many scans is refused", async () => {
  expect(whole(openJpeg(await jpegOfScans(3), limits)).data).toEqual(new Uint8Array(192).fill(128));
  const many = await jpegOfScans(30_000);
  expect(() => whole(openJpeg(many, limits))).toThrow("cannot be decoded: more than 100 scans");
});

test.skipIf(!hasLibjpegTurbo)("damage anywhere in a JPEG is no more than a PictureError", async () => {
  const random = createRandom([9]);
  for (const { name, file } of fixture.jpeg) {
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(file, "base64");
      for (let bytes = 1 + i / 12; bytes > 0; bytes--) {
        damaged[2 + Math.floor(random() * (damaged.length - 2))] = Math.floor(random() * 256);
      }
      try {
        whole(openJpeg(damaged, limits));
      } catch (error) {
        expect(error, name).toBeInstanceOf(PictureError);
      }
    }
  }
});

test("what is not a picture's size and memory is refused by the addon", async () => {
  const pixels = new Uint8Array(3 * 4 * 4);
  const target = new Uint8Array(3 * 2 * 2);
  const resample = (numbers: number[], into = target): void => native.resample(pixels, 4, 4, numbers, into);
  const wrong: [number[], string][] = [
    [[0, 0, 4, 4, 2, 2, 0, 0, 2], "expected 10 numbers, got 9"],
    [[1, 0, 4, 4, 2, 2, 0, 0, 2, 2], "expected a box inside 4 x 4 pixels, got 4 x 4 at 1, 0"],
    [[0, 0, 4, 0, 2, 2, 0, 0, 2, 2], "expected a box inside 4 x 4 pixels"],
    [[0, -1, 4, 4, 2, 2, 0, 0, 2, 2], "expected a box inside 4 x 4 pixels"],
    [[2 ** 53 - 1, 0, 4, 4, 2, 2, 0, 0, 2, 2], "expected a box inside 4 x 4 pixels"],
    [[0, 0, 4, 4, 2, 2, 1, 0, 2, 2], "expected a box inside 2 x 2 pixels"],
    [[0, 0, 4, 4, 3, 2, 0, 0, 3, 2], "target: expected 3 x 3 x 2 elements, got 12"],
    [[0, 0, 4, 4, 2 ** 40, 2 ** 40, 0, 0, 2 ** 40, 2 ** 40], "target: expected 3 x"],
    [[0, 0, 0.5, 4, 2, 2, 0, 0, 2, 2], "resize: expected a whole number"],
  ];
  for (const [numbers, message] of wrong) expect(() => resample(numbers), message).toThrow(message);
  expect(() => native.resample(pixels, 4, 5, [0, 0, 4, 4, 2, 2, 0, 0, 2, 2], target)).toThrow(
    "pixels: expected 3 x 4 x 5",
  );
  expect(() => native.resample(pixels, 0, 4, [0, 0, 4, 4, 2, 2, 0, 0, 2, 2], target)).toThrow("expected 1 or more");
  const planes = new Float32Array(48);
  expect(() => native.toPlanes(pixels, 4, new Float32Array(767), false, planes)).toThrow("tables: expected 3 x 256");
  expect(() => native.toPlanes(pixels, 5, new Float32Array(768), false, planes)).toThrow("pixels: expected full rows");
  expect(() => native.toPlanes(pixels, 4, new Float32Array(768), false, planes.subarray(1))).toThrow(
    "expected 48 numbers",
  );
  expect(() => native.toPlanes(planes as never, 4, new Float32Array(768), false, planes)).toThrow("a Uint8Array");
});

test("processors without AVX2 give the same pixels", () => {
  const { addon } = locateEngine();
  const script = `
    const native = require(${JSON.stringify(addon)});
    const pixels = Uint8Array.from({ length: 3 * 61 * 47 }, (_, i) => (i * i * 7 + (i >> 3)) % 256);
    const hash = require("node:crypto").createHash("sha256");
    for (const [width, height] of [[1, 1], [7, 5], [16, 16], [61, 47], [90, 130], [224, 30]]) {
      const target = new Uint8Array(3 * width * height);
      native.resample(pixels, 61, 47, [3, 2, 50, 41, width, height, 0, 0, width, height], target);
      hash.update(target);
    }
    console.log(native.cpuCapability() === "DEFAULT", hash.digest("hex"));`;
  const outcome = (env: NodeJS.ProcessEnv): string =>
    execFileSync(process.execPath, ["-e", script], { env: { ...process.env, ...env }, encoding: "utf8" });
  const [plain, sum] = outcome({ ATEN_CPU_CAPABILITY: "default" }).trim().split(" ");
  expect(plain).toBe("true");
  expect(outcome({}).trim().split(" ")[1]).toBe(sum);
});
