// Pixels against Pillow's, bit for bit. Where the values come from is said in pillow.fixture.json.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation, toGrey } from "./color.ts";
import { resizeAndCenterCrop } from "./crop.ts";
import { openPicture } from "./decode.ts";
import type { Pixels } from "./pixels.ts";
import { decoded } from "./resample.ts";
import { whole } from "./whole.fixture.ts";

interface Fixture {
  resize: { left: number; top: number; width: number; height: number; size: [number, number]; sha: string }[];
  eval: { size: number; wide: string; tall: string }[];
  color: { factor: number; brightness: string; contrast: string; saturation: string }[];
  hue: { shift: number; sha: string }[];
  grey: string;
  decode: { name: string; sha: string; file: string }[];
}
const fixture = JSON.parse(readFileSync(new URL("pillow.fixture.json", import.meta.url), "utf8")) as Fixture;

function sha({ data }: Pick<Pixels, "data">): string {
  return createHash("sha256").update(data).digest("hex");
}

function pattern(): Pixels {
  const width = 37;
  const height = 23;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / 3 / width);
    return [7 * x + 13 * y, 3 * x * x + 5 * y, 11 * x * y + 31][i % 3]! % 256;
  });
  return { width, height, data };
}

function transposed({ width, height, data }: Pixels): Pixels {
  const turned = data.map((_, i) => {
    const x = Math.floor(i / 3) % height;
    const y = Math.floor(i / 3 / height);
    return data[(x * width + y) * 3 + (i % 3)]!;
  });
  return { width: height, height: width, data: turned };
}

function changed(change: (pixels: Uint8Array) => void): string {
  const { data } = pattern();
  change(data);
  return sha({ data });
}

test.each(fixture.resize)("crop of $width x $height to $size", ({ left, top, width, height, size, sha: expected }) => {
  const box = { left, top, width, height };
  expect(sha(decoded(pattern()).resample({ box, width: size[0], height: size[1] }))).toBe(expected);
});

test.each(fixture.eval)("shorter edge to $size and centre crop", ({ size, wide, tall }) => {
  expect(sha(resizeAndCenterCrop(decoded(pattern()), size))).toBe(wide);
  expect(sha(resizeAndCenterCrop(decoded(transposed(pattern())), size))).toBe(tall);
});

test.each(fixture.color)("colours by factor $factor", ({ factor, brightness, contrast, saturation }) => {
  expect(changed((pixels) => adjustBrightness(pixels, factor))).toBe(brightness);
  expect(changed((pixels) => adjustContrast(pixels, factor))).toBe(contrast);
  expect(changed((pixels) => adjustSaturation(pixels, factor))).toBe(saturation);
});

test.each(fixture.hue)("hue turned by $shift", ({ shift, sha: expected }) => {
  expect(changed((pixels) => adjustHue(pixels, shift))).toBe(expected);
});

test("grey", () => {
  expect(changed(toGrey)).toBe(fixture.grey);
});

test.each(fixture.decode)("decodes $name", async ({ file, sha: expected }) => {
  expect(sha(whole(await openPicture(Buffer.from(file, "base64"))))).toBe(expected);
});
