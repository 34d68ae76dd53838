import { expect, test } from "vitest";
import { manualSeed, randn, rngState } from "../tensor/index.ts";
import { isRecomputing, recompute } from "./recompute.ts";

test("the same random numbers come, and those after it are not touched", () => {
  manualSeed(1);
  const random = rngState();
  const drawn = [randn([3]).toArray(), randn([3]).toArray(), randn([3]).toArray()];
  manualSeed(1);
  randn([3]);
  randn([3]);
  expect(recompute(random, () => randn([3]).toArray())).toEqual(drawn[0]);
  expect(randn([3]).toArray()).toEqual(drawn[2]);
});

test("what lies within knows of it, also after an inner one and not after an error", () => {
  const random = rngState();
  const seen = recompute(random, () => [recompute(random, isRecomputing), isRecomputing()]);
  expect(seen).toEqual([true, true]);
  const fail = () => {
    throw new Error("failed");
  };
  expect(() => recompute(random, fail)).toThrow("failed");
  expect(isRecomputing()).toBe(false);
});
