import { expect, test } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatTimesChance,
  printable,
} from "./format.ts";

test.each([
  [0, "0"],
  [2.14312, "2.143"],
  [0.041209, "0.04121"],
  [1234.5, "1,235"],
  [4.1e-5, "4.1e-5"],
  [1e-4, "1e-4"],
  [5e12, "5e12"],
  [-0.5, "-0.5"],
  [Number.NaN, "NaN"],
])("formatNumber(%d) is %s", (value, text) => expect(formatNumber(value)).toBe(text));

test.each([
  [0, "0.0 %"],
  [1, "100.0 %"],
  [0.184, "18.4 %"],
  [0.0007, "0.070 %"],
  [1 / 1915, "0.052 %"],
  [1e-12, "0.000000 %"],
  [Number.NaN, "–"],
])("formatPercent(%d) is %s", (share, text) => expect(formatPercent(share)).toBe(text));

test.each([
  [0, "0.0 s"],
  [9.94, "9.9 s"],
  [9.96, "10 s"],
  [59.6, "1 min 00 s"],
  [185, "3 min 05 s"],
  [3599.7, "1 h 00 min"],
  [7620, "2 h 07 min"],
  [273_600, "3 d 04 h"],
  [Number.NaN, "–"],
  [Number.POSITIVE_INFINITY, "–"],
])("formatDuration(%d) is %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test("bytes, counts and times chance", () => {
  expect([1.214e9, 812e6, 5e3].map(formatBytes)).toEqual(["1.21 GB", "812 MB", "5 kB"]);
  expect([12_345, Number.NaN].map(formatCount)).toEqual(["12,345", "–"]);
  expect(formatTimesChance(0.184, 0.0005)).toBe("368 ×");
  expect(formatTimesChance(0.5, 0.2)).toBe("2.5 ×");
  expect(formatTimesChance(0.5, 0)).toBe("–");
});

test("control characters are shown, line ends and other languages stay", () => {
  expect(printable("a\x1b[2Jb\x9bc\r\n\té😀")).toBe("a\\x1b[2Jb\\x9bc\\x0d\n\té😀");
});
