import { expect, test } from "vitest";
import { inputsOf } from "./encode.ts";

/** Two texts, of 3 and 9 tokens, with room for 20. */
function batch() {
  const tokens = new Int32Array(2 * 20);
  tokens.fill(5, 0, 3);
  tokens.fill(6, 20, 29);
  return { size: 2, tokens, images: new Float32Array(2 * 3 * 4 * 4), ids: new BigInt64Array([4n, 1n]) };
}

test.each([
  [1, 9],
  [4, 12],
  [9, 9],
  [16, 16],
  [20, 20],
  [77, 20],
])("with a multiple of %i, texts of at most 9 of 20 tokens are cut to %i", (textMultiple, expected) => {
  const { tokens, images, ids } = inputsOf(batch(), { imageSize: 4, textMultiple });
  expect(tokens.shape).toEqual([2, expected]);
  expect(tokens.to("int64").sum().item()).toBe(3 * 5 + 9 * 6);
  expect(images.shape).toEqual([2, 3, 4, 4]);
  expect(ids.toArray()).toEqual([4, 1]);
});
