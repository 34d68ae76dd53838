import { expect, test } from "vitest";
import { caption } from "./captions.ts";
import type { Concept } from "./concepts.ts";

function concept(key: string, tags: string[]): Concept {
  return { key, name: key.replaceAll("_", " "), tags, hexcode: "1f44b", people: false, class: 0, heldOut: false };
}

test("a third of the pairs of concept and style carry two tags after the name", () => {
  const texts = Array.from({ length: 900 }, (_, index) =>
    caption(concept(`thing_${index}`, ["cut", "paper", "tool"]), { style: "noto", seed: 0 }),
  );
  const tagged = texts.filter((text) => text.includes(","));
  // 300 expected, standard deviation 14
  expect(Math.abs(tagged.length - 300)).toBeLessThan(70);
  for (const text of tagged) expect(text).toMatch(/^thing \d+, (cut|paper|tool), (cut|paper|tool)$/);
  expect(new Set(tagged.map((text) => text.replace(/^thing \d+, /, ""))).size).toBe(6);
});

test("the seed and the style decide, nothing else", () => {
  const scissors = concept("scissors", ["cut", "paper", "tool"]);
  const at = (style: string, seed: number) => caption(scissors, { style, seed });
  expect(at("noto", 5)).toBe(at("noto", 5));
  expect(new Set(Array.from({ length: 30 }, (_, seed) => at("noto", seed))).size).toBeGreaterThan(2);
  expect(new Set(Array.from({ length: 30 }, (_, index) => at(`style-${index}`, 0))).size).toBeGreaterThan(2);
});

test("tags that repeat the name or are bare signs are never used", () => {
  const hand = concept("waving_hand", ["hand", "Waving", "*", "hello"]);
  const texts = new Set(Array.from({ length: 50 }, (_, seed) => caption(hand, { style: "noto", seed })));
  expect(texts).toEqual(new Set(["waving hand", "waving hand, hello"]));
});
