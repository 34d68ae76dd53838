import { expect, test } from "vitest";
import type { Fault } from "./faults.ts";
import { Quarantine } from "./quarantine.ts";

function faults(count: number): Fault[] {
  return Array.from({ length: count }, (_, i) => ({
    cause: "bad-picture",
    shard: "a.tar",
    key: String(i),
    message: `a.tar: ${i}.jpg is cut off at byte 8192`,
  }));
}

test("each fault is reported with its number", () => {
  const messages: string[] = [];
  const quarantine = new Quarantine({ maxBadRate: 0.01, onFault: ({ message }) => messages.push(message) });
  quarantine.record(10_000, faults(2));
  expect(messages[1]).toBe("a.tar: 1.jpg is cut off at byte 8192; skipped (2 of 10000 so far)");
  expect(quarantine.counts).toEqual({ "bad-picture": 2 });
});

test("the rate is taken over at least 1,000 samples", () => {
  const quarantine = new Quarantine({ maxBadRate: 0.01 });
  quarantine.record(10, faults(10));
  expect(() => quarantine.record(20, faults(1))).toThrow(
    "too many bad samples: 11 of 20 (55 %) where maxBadRate allows 1 % (11 bad-picture); the last: a.tar: 0.jpg",
  );
});

test("over many samples the rate itself counts", () => {
  const quarantine = new Quarantine({ maxBadRate: 0.01 });
  quarantine.record(100_000, faults(1000));
  expect(() => quarantine.record(100_000, faults(1))).toThrow("too many bad samples");
});

test("a rate of 0 stops at the first", () => {
  const quarantine = new Quarantine({ maxBadRate: 0 });
  quarantine.record(5, []);
  expect(() => quarantine.record(6, faults(1))).toThrow("1 of 6");
});

test("a rate that is none is refused", () => {
  expect(() => new Quarantine({ maxBadRate: 1.5 })).toThrow("maxBadRate must be between 0 and 1, but is 1.5");
});
