import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { expect, test } from "vitest";
import { picture } from "../shards.fixture.ts";
import { openPicture } from "./decode.ts";
import { whole } from "./whole.fixture.ts";

function failure(file: Buffer): Promise<string> {
  return openPicture(file)
    .then(whole)
    .then(
      () => "decoded",
      (error: Error) => error.message,
    );
}

test("a PNG that is cut off is said to be, at whatever byte", async () => {
  const file = await picture(1);
  for (const length of [20, 40, Math.floor(file.length / 2), file.length - 1]) {
    expect(await failure(file.subarray(0, length))).toMatch(/is cut off/);
  }
});

test("a PNG with a flipped bit is refused", async () => {
  const file = await picture(1);
  file[file.indexOf("IDAT") + 9]! ^= 4;
  expect(await failure(file)).toMatch(/has a damaged IDAT chunk at byte \d+/);
});

test("cut-off pictures of the other kinds are refused", async () => {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 7 + (i >> 3)) % 256);
  const image = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
  for (const file of [
    await image.jpeg().toBuffer(),
    await image.webp({ lossless: true }).toBuffer(),
    await image.gif().toBuffer(),
  ]) {
    expect(await failure(file.subarray(0, file.length / 2))).toMatch(/^cannot be decoded: /);
  }
});

test("what is no picture is refused by its bytes, not its name", async () => {
  expect(await failure(Buffer.alloc(0))).toBe("is not a picture of a supported kind (it starts with the bytes )");
  expect(await failure(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toContain("it is SVG, XML or HTML");
  expect(await failure(Buffer.from("GIF8 is no picture"))).toMatch(/^cannot be decoded: /);
});

test("a picture bomb is refused before it is unpacked", async () => {
  const bomb = await sharp({ create: { width: 12000, height: 12000, channels: 3, background: "white" } })
    .png()
    .toBuffer();
  expect(bomb.length).toBeLessThan(500_000);
  expect(await failure(bomb)).toBe("has 12000 x 12000 pixels, more than the 89478485 allowed");
  const jpeg = await sharp({ create: { width: 12000, height: 12000, channels: 3, background: "white" } })
    .jpeg()
    .toBuffer();
  expect(await failure(jpeg)).toMatch(/pixel limit|has 12000 x 12000 pixels, more than the 89478485 allowed/);
});

test("a PNG that unpacks to more or less than its size says is refused", async () => {
  const swapped = async (bytes: number): Promise<Buffer> => {
    const { crc32 } = await import("node:zlib");
    const file = await picture(1);
    const data = deflateSync(Buffer.alloc(bytes));
    const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from("IDAT"), data, Buffer.alloc(4)]);
    chunk.writeUInt32BE(data.length);
    chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
    return Buffer.concat([file.subarray(0, 33), chunk, file.subarray(file.length - 12)]);
  };
  expect(await failure(await swapped(100))).toBe("holds 100 bytes of pixels where 444 are expected");
  expect(await failure(await swapped(10_000_000))).not.toBe("decoded");
});
