import { expect, test } from "vitest";
import { formatResults } from "./table.ts";

test("figures are aligned, splits stand apart", () => {
  const text = formatResults([
    { split: "held-out style", metric: "zero-shot top-1", value: 0.1843, chance: 1 / 1915, count: 1893 },
    { split: "held-out style", metric: "zero-shot top-5", value: 0.436, chance: 5 / 1915, count: 1893 },
    { split: "held-out concepts", metric: "recall@1", value: 0.212, chance: 1 / 146, count: 146 },
  ]);
  expect(`\n${text}\n`).toBe(`
split              metric            value   chance  vs chance  count
─────────────────────────────────────────────────────────────────────
held-out style     zero-shot top-1  18.4 %  0.052 %      353 ×  1,893
held-out style     zero-shot top-5  43.6 %   0.26 %      167 ×  1,893

held-out concepts  recall@1         21.2 %   0.68 %       31 ×    146
`);
});

test("names that would break the lines do not", () => {
  const text = formatResults([{ split: "a\nb\x1b[2J", metric: "m", value: Number.NaN, chance: 0, count: 0 }]);
  expect(text.split("\n")).toHaveLength(3);
  expect(text).not.toContain("\x1b");
});

test("no results is said", () => {
  expect(formatResults([])).toBe("no results");
});
