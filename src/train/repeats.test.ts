import { expect, test } from "vitest";
import { repeatedShare } from "./repeats.ts";

test.each([
  {
    rows: [
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ],
    share: 0,
  },
  {
    rows: [
      [1, 2],
      [3, 4],
      [1, 2],
      [1, 3],
    ],
    share: 0.5,
  },
  {
    rows: [
      [1, 2],
      [1, 2],
      [1, 2],
      [4, 4],
    ],
    share: 0.75,
  },
  // Equal but for their place is not equal.
  {
    rows: [
      [1, 0],
      [0, 1],
      [256, 0],
      [0, 256],
    ],
    share: 0,
  },
])("of $rows a share of $share stands there more than once", ({ rows, share }) => {
  // A batch is a window of the loader's memory.
  const memory = Int32Array.from([99, ...rows.flat(), 99]);
  expect(repeatedShare({ tokens: memory.subarray(1, 9), size: 4 })).toBe(share);
});
