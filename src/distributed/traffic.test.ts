import { expect, test } from "vitest";
import { TrafficCounter, trafficSince } from "./traffic.ts";

test("what was sent between two readings", () => {
  const counter = new TrafficCounter();
  counter.add("features", { calls: 1, bytes: 10, milliseconds: 4, exposedMilliseconds: 3 });
  counter.add("u", { calls: 1, bytes: 1, milliseconds: 1, exposedMilliseconds: 1 });
  const before = counter.totals();
  counter.add("features", { calls: 2, bytes: 20, milliseconds: 5, exposedMilliseconds: 1 });
  counter.add("gradients", { calls: 3, bytes: 30, milliseconds: 6, exposedMilliseconds: 0 });
  expect(Object.fromEntries(trafficSince(before, counter.totals()))).toEqual({
    features: { calls: 2, bytes: 20, milliseconds: 5, exposedMilliseconds: 1 },
    gradients: { calls: 3, bytes: 30, milliseconds: 6, exposedMilliseconds: 0 },
  });
  expect(before.get("features")!.calls).toBe(1);
});
