import sharp from "sharp";
import { expect, test } from "vitest";
import { sheetHtml } from "./html.ts";
import { sheetPng } from "./png.ts";
import type { Card, Sheet } from "./sheet.ts";
import { wrapText } from "./wrap.ts";

/** Red, green, blue and white. */
const pixels = { width: 2, height: 2, data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255) };
const nasty = `</text></svg> <script>"a" & 'b'</script>\u0007\uFFFE`;

function sheetOf(cards: readonly Partial<Card>[], augmentations = 1): Sheet {
  const card = { id: 0, key: "000", shard: "a.tar", caption: "a cat", tokens: 4 };
  return {
    cards: cards.map((one) => ({ ...card, pictures: new Array(augmentations).fill(pixels), ...one })),
    size: 2,
    contextLength: 77,
    seed: 0,
    epoch: 3,
    augmentations,
  };
}

test("the page holds the pictures, the captions escaped, and what was cut", async () => {
  const page = await sheetHtml(sheetOf([{ caption: nasty, key: "<b>", tokens: 102 }, {}], 2));
  expect(page).toContain("<h1>2 samples, the first of epoch 3 in epochs 3 to 4 with seed 0, 2 x 2 pixels</h1>");
  expect(page).not.toContain("<script>");
  expect(page).toContain("&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
  expect(page).toContain("<small>&lt;b&gt;</small>");
  expect(page.match(/cut: 77 of 102 tokens are read/g)).toHaveLength(1);
  const images = [...page.matchAll(/src="data:image\/png;base64,([^"]+)" width="128" height="128"/g)];
  expect(images).toHaveLength(4);
  const drawn = await sharp(Buffer.from(images[0]![1]!, "base64")).raw().toBuffer();
  expect([...drawn]).toEqual([...pixels.data]);
});

test("the PNG shows every pixel as a square, and text under it that XML could not hold as it is", async () => {
  const { data, info } = await sharp(await sheetPng(sheetOf([{ caption: nasty }, { tokens: 102 }])))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number[] => [...data.subarray(3 * (y * info.width + x)).subarray(0, 3)];
  // Pictures begin at (16, 47), the second 144 further right.
  for (const left of [16, 16 + 144]) {
    expect(at(left, 47)).toEqual([255, 0, 0]);
    expect(at(left + 63, 47 + 63)).toEqual([255, 0, 0]);
    expect(at(left + 64, 47)).toEqual([0, 255, 0]);
    expect(at(left, 47 + 64)).toEqual([0, 0, 255]);
  }
  // Of the text there is something dark, and of the note about the cut something red, which grey letters are not.
  const below = Array.from({ length: (info.height - 176) * info.width }, (_, i) =>
    at(i % info.width, 176 + Math.floor(i / info.width)),
  );
  expect(below.some(([red, green, blue]) => red! + green! + blue! < 100)).toBe(true);
  expect(below.some(([red, green]) => red! - green! > 100)).toBe(true);
});

test("a sheet too large for a PNG is refused", async () => {
  const many = sheetOf(new Array(600).fill({}));
  await expect(sheetPng(many)).rejects.toThrow(
    /^the sheet would have \d+ x \d+ pixels, and a PNG may have 16383 to a side/,
  );
});

test.each([
  ["a cat on a mat", 8, ["a cat on", "a mat"]],
  ["a_very_long_key", 6, ["a_very", "_long_", "key"]],
  ["a  b", 10, ["a b"]],
  ["一只猫在垫子上", 6, ["一只猫", "在垫子", "上"]],
  ["", 10, []],
])("%j in lines of %d", (text, columns, lines) => {
  expect(wrapText(text, columns)).toEqual(lines);
});
