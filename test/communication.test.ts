// The arithmetic of bench/communication: what a step sends and what a ring costs, by hand.
import { expect, test } from "vitest";
import { allReduceSeconds, ringSeconds, stepBytes, stepSeconds } from "../bench/communication/cost.ts";
import { messagesOf, type SideName } from "../bench/communication/messages.ts";

test("a ring passes a K-th on in K - 1 rounds", () => {
  const link = { bitsPerSecond: 8e9, latencySeconds: 1e-3 }; // a byte takes a nanosecond
  expect(ringSeconds({ bytes: 4e6, ranks: 4, link })).toBeCloseTo(3 * (1e-3 + 1e-3), 12);
  expect(allReduceSeconds({ bytes: 4e6, ranks: 4, link })).toBeCloseTo(12e-3, 12);
  expect(ringSeconds({ bytes: 4e6, ranks: 1, link })).toBe(0);
});

test("the medium setting on 8 ranks sends what its formulas say", () => {
  const bytes = stepBytes({ recipe: "medium-cc3m", batch: 128 }, 8);
  // B = 1024 pairs, d = 1024; the positions ride along. RN50 has 102,007,136 parameters, and tau.
  expect(bytes).toEqual({
    pairs: 1024,
    features: 2 * 1024 * 1024 * 4 + 1024 * 8,
    scalars: 2 * 1024 * 4,
    featureGradients: 2 * 1024 * 1024 * 4,
    gradients: 4 * 102_007_137,
  });
  const link = { bitsPerSecond: 8e9, latencySeconds: 0 };
  const times = stepSeconds(bytes, { ranks: 8, link });
  expect(times.scalars).toBeCloseTo((7 / 8) * (8_396_800 + 8192) * 1e-9, 12);
  expect(times.features).toBeCloseTo((7 / 8) * (8_396_800 + 8_388_608) * 1e-9, 12);
  expect(times.gradients).toBeCloseTo((7 / 4) * 4 * 102_007_137 * 1e-9, 12);
});

test.each<[SideName, number]>([
  // 2 B d float32 of features for everybody, B = 6 and d = 5; ours with B int64 of positions.
  ["ours, scalars", 240 + 48 + 48],
  ["ours, features", 240 + 48 + 48 + 240],
  ["FastCLIP (PyTorch)", 240 + 48 + 96],
  ["OpenCLIP (PyTorch)", 240 + 240],
])("%s: bytes of a step on two ranks with three pairs, and none alone", (side, bytes) => {
  const all = (ranks: number): number =>
    Object.values(messagesOf(side, { ranks, batch: 3, width: 5 })).reduce((sum, part) => sum + part, 0);
  expect(all(2)).toBe(bytes);
  expect(all(1)).toBe(0);
});
