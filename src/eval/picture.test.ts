import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { createRandom } from "../data/random.ts";
import { pictureUri } from "./picture.ts";

function noise(size: number): Sharp {
  const random = createRandom([1]);
  const data = Buffer.from(Array.from({ length: size * size * 3 }, () => 256 * random()));
  return sharp(data, { raw: { width: size, height: size, channels: 3 } });
}

const bytesOf = (uri: string): Buffer => Buffer.from(uri.slice(uri.indexOf(",") + 1), "base64");

test.each(["png", "jpeg", "webp", "gif"] as const)("a small %s keeps its bytes", async (format) => {
  const file = await noise(8).toFormat(format).toBuffer();
  const uri = await pictureUri(file);
  expect(uri.slice(0, uri.indexOf(","))).toBe(`data:image/${format};base64`);
  expect(bytesOf(uri)).toEqual(file);
});

test.each([
  ["a large one", 400, "png"],
  ["one of a kind that browsers do not show", 8, "tiff"],
] as const)("%s becomes a small WebP", async (_, size, format) => {
  const uri = await pictureUri(await noise(size).toFormat(format).toBuffer());
  expect(uri.slice(0, uri.indexOf(","))).toBe("data:image/webp;base64");
  const { width, height } = await sharp(bytesOf(uri)).metadata();
  expect([width, height]).toEqual([Math.min(size, 192), Math.min(size, 192)]);
});

test("what is no picture is an error", async () => {
  await expect(pictureUri(Buffer.from("not a picture"))).rejects.toThrow(/unsupported image format/);
});
